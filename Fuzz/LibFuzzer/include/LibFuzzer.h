// The entry of libFuzzer's runtime, which scripts/fuzz links in: its own main would keep us from choosing a target by name.
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*test)(const uint8_t *bytes, size_t count));
