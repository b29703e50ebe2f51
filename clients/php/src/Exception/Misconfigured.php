<?php

/*
 * The configuration does not fit: a missing or wrong setting, a file that cannot be read, a CA that did not sign the
 * appliance's certificate, a host name that is not in it, a port where something else listens.
 */

declare(strict_types=1);

namespace Gembok\Exception;

final class Misconfigured extends GembokException
{
}
