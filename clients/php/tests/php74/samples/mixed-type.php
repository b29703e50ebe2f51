<?php

function f(mixed $x): void {}
