<?php

echo 0o17;
