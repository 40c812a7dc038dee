// TFLM's audio front end with the parameters of pymicro-features, on a whole recording.
#include <cstdint>
#include <cstring>

#include "tensorflow/lite/experimental/microfrontend/lib/frontend.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend_util.h"

namespace {
FrontendState state;
uint16_t* features;
}  // namespace

extern "C" void peer_open(uint16_t* out) {
  features = out;
  FrontendConfig config;
  FrontendFillConfigWithDefaults(&config);
  config.window.size_ms = 30;
  config.window.step_size_ms = 10;
  config.filterbank.num_channels = 40;
  config.filterbank.lower_band_limit = 125.0;
  config.filterbank.upper_band_limit = 7500.0;
  config.noise_reduction.smoothing_bits = 10;
  config.noise_reduction.even_smoothing = 0.025;
  config.noise_reduction.odd_smoothing = 0.06;
  config.noise_reduction.min_signal_remaining = 0.05;
  config.pcan_gain_control.enable_pcan = 1;
  config.pcan_gain_control.strength = 0.95;
  config.pcan_gain_control.offset = 80.0;
  config.pcan_gain_control.gain_bits = 21;
  config.log_scale.enable_log = 1;
  config.log_scale.scale_shift = 6;
  FrontendPopulateState(&config, &state, 16000);
}

extern "C" uint32_t peer_run(const int16_t* samples, uint32_t count) {
  uint32_t found = 0;
  size_t left = count;
  while (left > 0) {
    size_t taken = 0;
    FrontendOutput output = FrontendProcessSamples(&state, samples, left, &taken);
    samples += taken;
    left -= taken;
    if (output.size > 0) {
      memcpy(features + found, output.values, output.size * sizeof(uint16_t));
      found += output.size;
    }
  }
  return found;
}
