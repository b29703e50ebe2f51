<?php

try { f(); } catch (Exception) {}

function f() {}
