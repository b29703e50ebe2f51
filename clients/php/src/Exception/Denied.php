<?php

/*
 * The appliance, or TLS before it, knows who asks and says no: the certificate, the API key, the grant, the state of the
 * object's key. Somebody must change something there; asking again changes nothing.
 */

declare(strict_types=1);

namespace Gembok\Exception;

final class Denied extends GembokException
{
}
