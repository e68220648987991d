// A shared library out of over.cu: the tests call `run` by ctypes.
#include "host_shim.h"

#include "over.cu"

static Launch the_launch;
static void aligned_lane() { evafast_over_aligned(the_launch); }
static void any_lane() { evafast_over_any(the_launch); }

extern "C" int size_of_launch() { return sizeof(Launch); }

// Run the last `some` of `blocks` blocks; 1 if the lanes of a warp part at a barrier.
extern "C" int run_last(
    const Launch* launch, int aligned, unsigned blocks, unsigned some, int backwards
) {
    the_launch = *launch;
    gridDim = {blocks, 1, 1};
    for (unsigned block = blocks - some; block < blocks; ++block) {
        blockIdx = {block, 0, 0};
        for (unsigned warp = 0; warp < unsigned(WARPS); ++warp) {
            if (!run_warp(warp, aligned ? aligned_lane : any_lane, backwards)) return 1;
        }
    }
    return 0;
}

extern "C" int run(const Launch* launch, int aligned, unsigned blocks, int backwards) {
    return run_last(launch, aligned, blocks, blocks, backwards);
}

// The reciprocal with correction against a true division, for every byte in every position.
extern "C" int wrong_divisions() {
    int wrong = 0;
    for (unsigned x = 0; x < 256; ++x) {
        for (unsigned at = 0; at < 4; ++at) {
            wrong += unit_interval(x << 8 * at | 0x5Au << 8 * ((at + 1) % 4), at) != float(x) / 255.0f;
        }
    }
    return wrong;
}
