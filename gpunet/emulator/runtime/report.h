// The file that tells `gpunet emulate` what happened: one line of JSON per finding, and one with the number of launches.
#pragma once

#include <string>

#include "../device/launch.h"

namespace gpunet_emulator {

// The first launch is told at once, however the process may end; the rest when it ends.
void count_launch();
void report_failed_launch(const Launch& launch, const char* message);

}  // namespace gpunet_emulator
