<?php

$x = new stdClass(); echo $x::class;
