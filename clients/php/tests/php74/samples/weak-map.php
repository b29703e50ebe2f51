<?php

namespace A;

$x = new \WeakMap();
