<?php

class A { public readonly int $x; }
