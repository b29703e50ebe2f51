<?php

strlen(string: "x");
