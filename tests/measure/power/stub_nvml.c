/* A driver library of one GPU at 200 W under a 20 ms energy counter, for running a meter in a real process. */
#include <stdint.h>
#include <string.h>
#include <time.h>

static int gpu;

static uint64_t ticks(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 50 + now.tv_nsec / 20000000;
}

static int text(char *out, unsigned length, const char *value)
{
    if (length <= strlen(value))
        return 7; /* insufficient size */
    strcpy(out, value);
    return 0;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *out, unsigned length) { return text(out, length, "999.9"); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device)
{
    if (index)
        return 2; /* invalid argument */
    *device = &gpu;
    return 0;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **device)
{
    if (strcmp(uuid, "GPU-stub"))
        return 6; /* not found */
    *device = &gpu;
    return 0;
}
int nvmlDeviceGetUUID(void *device, char *out, unsigned length) { (void)device; return text(out, length, "GPU-stub"); }
int nvmlDeviceGetName(void *device, char *out, unsigned length) { (void)device; return text(out, length, "Stub 200"); }
int nvmlDeviceGetPersistenceMode(void *device, unsigned *mode) { (void)device; *mode = 0; return 0; }
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
