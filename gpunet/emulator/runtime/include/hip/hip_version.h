// CuPy's headers ask for the version of HIP.
#pragma once

#define HIP_VERSION_MAJOR 7
#define HIP_VERSION_MINOR 0
#define HIP_VERSION 70000000
