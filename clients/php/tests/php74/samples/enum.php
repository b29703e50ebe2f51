<?php

enum A { case B; }
