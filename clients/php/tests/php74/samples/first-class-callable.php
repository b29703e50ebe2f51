<?php

$f = strlen(...);
