<?php

class A { public function f(#[\SensitiveParameter] string $x): void {} }
