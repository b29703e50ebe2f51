<?php

$x = $y ?? throw new Exception();
