// The launch that runs, for those who report about it.
#pragma once

#include "launch.h"

namespace gpunet_emulator {

// Null between launches.
const Launch* running_launch();

// Counts launches, from 1.
unsigned long launch_number();

// Makes sanitizers' reports findings; called at every launch.
void listen_to_sanitizers();

}  // namespace gpunet_emulator
