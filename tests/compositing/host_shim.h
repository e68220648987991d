// What over.cu uses of CUDA, in plain C++ for a CPU.
//
// A warp's 32 lanes run as fibers on one thread, one after the other from barrier to barrier, so
// shared memory behaves as on a device and a missing __syncwarp() shows as a wrong result. The
// caller chooses the order of the lanes; a correct kernel does not depend on it.
#pragma once

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#else  // nothing to tell about a change of stacks
inline void __sanitizer_start_switch_fiber(void**, const void*, std::size_t) {}
inline void __sanitizer_finish_switch_fiber(void*, const void**, std::size_t*) {}
#endif
#include <ucontext.h>

#include <cstdint>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct alignas(16) uint4 { unsigned x, y, z, w; };
struct alignas(16) int4 { int x, y, z, w; };
struct Dim { unsigned x, y, z; };

inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

static Dim threadIdx, blockIdx, gridDim;

// A device requires aligned addresses for wide accesses: trap where it would fail.
template <class T> inline void require_aligned(const T* at) {
    if (reinterpret_cast<uintptr_t>(at) % sizeof(T)) __builtin_trap();
}
template <class T> inline T __ldg(const T* at) { require_aligned(at); return *at; }
template <class T> inline void __stcs(T* at, T value) { require_aligned(at); *at = value; }

inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    const uint64_t both = uint64_t(b) << 32 | a;
    unsigned out = 0;
    for (int i = 0; i < 4; ++i) {
        out |= unsigned(both >> 8 * (selector >> 4 * i & 7) & 0xFF) << 8 * i;
    }
    return out;
}

inline unsigned __dp4a(unsigned a, unsigned b, unsigned sum) {
    for (int i = 0; i < 32; i += 8) sum += (a >> i & 0xFF) * (b >> i & 0xFF);
    return sum;
}

inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
    return unsigned((uint64_t(high) << 32 | low) >> (shift & 31));
}

// ---- Fibers ------------------------------------------------------------------------------------

constexpr size_t STACK = 64 << 10;

struct Fiber {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(STACK);
    void* fake = nullptr;  // the sanitizer's own stack of this fiber
    bool done = false;
};

static Fiber fibers[32];
static Fiber* running;
static ucontext_t outside;
static void* outside_fake;
static const void* outside_bottom;
static size_t outside_size;
static void (*lane_body)();

inline void leave(bool for_good) {
    __sanitizer_start_switch_fiber(for_good ? nullptr : &running->fake, outside_bottom, outside_size);
    swapcontext(&running->context, &outside);
    __sanitizer_finish_switch_fiber(running->fake, nullptr, nullptr);
}

inline void __syncwarp() { leave(false); }

inline void fiber_main() {
    __sanitizer_finish_switch_fiber(nullptr, &outside_bottom, &outside_size);
    lane_body();
    running->done = true;
    leave(true);
}

inline void enter(Fiber& fiber) {
    running = &fiber;
    __sanitizer_start_switch_fiber(&outside_fake, fiber.stack.data(), STACK);
    swapcontext(&outside, &fiber.context);
    __sanitizer_finish_switch_fiber(outside_fake, nullptr, nullptr);
}

// Run one warp to its end. Return false if its lanes meet different numbers of barriers: on a
// device, some would wait forever.
inline bool run_warp(unsigned warp, void (*body)(), bool backwards) {
    lane_body = body;
    for (Fiber& fiber : fibers) {
        getcontext(&fiber.context);
        fiber.context.uc_stack = {fiber.stack.data(), 0, STACK};
        fiber.context.uc_link = nullptr;
        fiber.done = false;
        makecontext(&fiber.context, fiber_main, 0);
    }
    for (;;) {
        int ended = 0;
        for (int i = 0; i < 32; ++i) {
            const int lane = backwards ? 31 - i : i;
            threadIdx.x = 32 * warp + lane;
            enter(fibers[lane]);
            ended += fibers[lane].done;
        }
        if (ended == 32) return true;
        if (ended) return false;
    }
}
