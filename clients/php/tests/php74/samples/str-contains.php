<?php

namespace A; 

echo str_contains("ab", "a");
