<?php

/*
 * What the caller sent is not something the appliance takes: a value that is no text, a context it refuses, a field too
 * large, an object that does not exist. The program must be corrected.
 */

declare(strict_types=1);

namespace Gembok\Exception;

final class BadRequest extends GembokException
{
}
