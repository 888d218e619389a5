/* A driver library of one GPU at 200 W under a 20 ms energy counter, for running a meter in a real process. */
#include <stdint.h>
#include <string.h>
#include <time.h>

static uint64_t ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 50 + now.tv_nsec / 20000000;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
    static int gpu;
    if (strcmp(uuid, "GPU-stub"))
        return 6; /* not found */
    *device = &gpu;
    return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *millijoules)
{
    (void)device;
    *millijoules = ticks() * 4000;
    return 0;
}
int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts)
{
    (void)device;
    *milliwatts = 200000;
    return 0;
}
