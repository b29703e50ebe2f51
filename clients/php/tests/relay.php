<?php

/*
 * A relay between client and appliance that counts: what cannot be seen from outside of TLS, such as whether a handshake was
 * resumed, shows in how many bytes the appliance sent.
 */

declare(strict_types=1);

final class Relay
{
    public int $port;
    private int $child;
    private string $file;

    public function __construct(int $target)
    {
        $server = stream_socket_server('tcp://127.0.0.1:0');
        $this->port = (int) substr(strrchr((string) stream_socket_get_name($server, false), ':'), 1);
        $this->file = World::$folder . '/relayed-' . $this->port;
        file_put_contents($this->file, '');
        $this->child = pcntl_fork();
        if ($this->child === 0) {
            $parent = posix_getppid();
            // No child outlives the tests, whatever ended them.
            while (posix_getppid() === $parent) {
                $client = @stream_socket_accept($server, 1);
                if ($client !== false) {
                    $this->pass($client, $target);
                }
            }
            posix_kill(getmypid(), SIGKILL);
        }
    }

    /** @return list<int> bytes that the appliance sent, by connection that has ended: so many are waited for */
    public function end(int $connections): array
    {
        for ($waited = 0; count((array) file($this->file)) < $connections && $waited < 1000; $waited++) {
            usleep(10000);
        }
        posix_kill($this->child, SIGKILL);
        pcntl_waitpid($this->child, $status);
        return array_map('intval', (array) file($this->file));
    }

    /** @param resource $client */
    private function pass($client, int $target): void
    {
        $appliance = stream_socket_client("tcp://127.0.0.1:$target");
        $bytes = 0;
        while (true) {
            $ready = [$client, $appliance];
            $none = null;
            stream_select($ready, $none, $none, 60);
            foreach ($ready as $from) {
                $data = (string) fread($from, 65536);
                if ($data === '') {
                    fclose($client);
                    fclose($appliance);
                    file_put_contents($this->file, "$bytes\n", FILE_APPEND);
                    return;
                }
                $bytes += $from === $appliance ? strlen($data) : 0;
                fwrite($from === $appliance ? $client : $appliance, $data);
            }
        }
    }
}
