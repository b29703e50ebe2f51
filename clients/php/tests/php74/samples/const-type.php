<?php

class A { const string X = "x"; }
