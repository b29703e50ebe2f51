<?php

/*
 * The ciphertext does not open, and never will as it was asked: it was altered, belongs to another object or another
 * context (a value moved between rows or columns), or the key version it needs is disabled or destroyed.
 */

declare(strict_types=1);

namespace Gembok\Exception;

final class CannotOpen extends GembokException
{
}
