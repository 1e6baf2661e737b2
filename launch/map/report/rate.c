#include "launch/map/report/rate.h"

static const uint64_t apart_ns = 1000000000;

void rate_tell(struct rate *rate, uint64_t now_ns, uint64_t count)
{
    const struct rate_sample *last =
        &rate->samples[(rate->taken + RATE_SAMPLES - 1) % RATE_SAMPLES];

    if (rate->taken > 0 && now_ns < last->time_ns + apart_ns)
        return;
    rate->samples[rate->taken++ % RATE_SAMPLES] =
        (struct rate_sample){ .time_ns = now_ns, .count = count };
}

double rate_each_second(const struct rate *rate, uint64_t now_ns, uint64_t count)
{
    size_t oldest = rate->taken < RATE_SAMPLES ? 0 : rate->taken % RATE_SAMPLES;
    const struct rate_sample *sample = &rate->samples[oldest];

    if (rate->taken == 0 || now_ns <= sample->time_ns || count <= sample->count)
        return 0;
    return (double)(count - sample->count) * 1e9 / (double)(now_ns - sample->time_ns);
}
