<?php

function f(): never { exit; }
