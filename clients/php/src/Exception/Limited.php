<?php

/*
 * A limit was met: requests or fields per second, requests under way, the fields that may be decrypted in a day, or too
 * many failed sign-ins. It passes by itself; retryAfter() says when.
 */

declare(strict_types=1);

namespace Gembok\Exception;

final class Limited extends GembokException
{
}
