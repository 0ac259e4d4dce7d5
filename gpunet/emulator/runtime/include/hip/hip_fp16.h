// Everything that this header of HIP declares is in the device header, which is included first.
#pragma once
