<?php

/*
 * The appliance could not answer now: not reached, too slow, locked, its token away, its journal full, a fault of its own.
 * Nothing is wrong with what was asked. Tell the user to try again later, and never store the plaintext meanwhile.
 */

declare(strict_types=1);

namespace Gembok\Exception;

final class Unavailable extends GembokException
{
}
