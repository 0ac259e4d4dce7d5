// The file that tells `gpunet emulate` what happened: one line of JSON per finding, and one with the number of launches.
#pragma once

#include <string>

#include "../device/launch.h"

namespace gpunet_emulator {

void count_launch();
void report_failed_launch(const Launch& launch, const char* message);

}  // namespace gpunet_emulator
