// What one thread does to its 16 pixels: the arithmetic of over.cu, which includes this file. Nothing
// here touches memory.
//
// Set by the compiler's command line:
//   EVAFAST_PLANAR   0: images (n, side, side, 3); 1: images (n, 3, side, side)
//   EVAFAST_NETWORK  0: none; 1: bfloat16; 2: float16; 3: float32: also write image/255 as the
//                    depth network's input, interleaved by pixel (channels last)

#pragma once

#ifndef EVAFAST_PLANAR
#define EVAFAST_PLANAR 0
#endif
#ifndef EVAFAST_NETWORK
#define EVAFAST_NETWORK 0
#endif

typedef unsigned char Byte;
typedef unsigned int Word;              // four bytes
typedef unsigned long long Address;     // of device memory; also counts bytes in 64 bits

constexpr int LANES = 32;
constexpr int UNIT = 16;                // pixels per lane
constexpr int TILE = LANES * UNIT;      // pixels per warp and turn
constexpr int WARPS = 8;                // per block
constexpr int CHUNKS = 3 * TILE / 16;   // of a tile's image
constexpr int PADDING = 32;             // pixels before the first cut-out
constexpr bool PLANAR = EVAFAST_PLANAR != 0;
constexpr int NETWORK = EVAFAST_NETWORK;

// ---- 16 pixels in one thread ---------------------------------------------------------------

// One channel of one pixel, in byte 2 of the result. `pair` has the foreground in byte 0 and the
// background in byte 1, `weights` coverage and 255 - coverage, so the dot product is pixel.over's
// t; and (t + (t >> 8)) >> 8 equals t * 257 >> 16.
__device__ __forceinline__ Word over(Word pair, Word weights) {
    return __dp4a(pair, weights, 128u) * 257u;
}

__device__ __forceinline__ Word weights_of(Word rgba) {  // coverage + 256 * (255 - coverage)
    return 0xFF00u - 255u * (rgba >> 24);
}

// Byte `which` of each of four words.
__device__ __forceinline__ Word gather(Word a, Word b, Word c, Word d, Word which) {
    const Word pick = which | (which + 4) << 4;
    return __byte_perm(__byte_perm(a, b, pick), __byte_perm(c, d, pick), 0x5410);
}

// Blend 16 RGBA pixels over 16 interleaved RGB pixels.
__device__ __forceinline__ void blend_interleaved(const Word (&pixel)[UNIT], Word (&rgb)[12]) {
#pragma unroll
    for (int word = 0; word < 12; ++word) {
        Word value[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int at = 4 * word + i;
            const Word rgba = pixel[at / 3];
            const Word pair = __byte_perm(rgba, rgb[word], (at % 3) | (4 + i) << 4);
            value[i] = over(pair, weights_of(rgba));
        }
        rgb[word] = gather(value[0], value[1], value[2], value[3], 2);
    }
}

// Blend 16 RGBA pixels over three planes of 16 bytes.
__device__ __forceinline__ void blend_planar(const Word (&pixel)[UNIT], Word (&rgb)[12]) {
#pragma unroll
    for (int word = 0; word < 12; ++word) {
        Word value[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const Word rgba = pixel[4 * (word % 4) + i];
            const Word pair = __byte_perm(rgba, rgb[word], (word / 4) | (4 + i) << 4);
            value[i] = over(pair, weights_of(rgba));
        }
        rgb[word] = gather(value[0], value[1], value[2], value[3], 2);
    }
}

__device__ __forceinline__ uint4 matte_of(const Word (&pixel)[UNIT], Word binary) {
    Word word[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        word[i] = gather(pixel[4 * i], pixel[4 * i + 1], pixel[4 * i + 2], pixel[4 * i + 3], 3);
        if (binary) word[i] = ((word[i] >> 7) & 0x01010101u) * 255u;  // the top bit is >= 128
    }
    return make_uint4(word[0], word[1], word[2], word[3]);
}

// Three planes of four pixels to twelve interleaved bytes.
__device__ __forceinline__ void interleave(Word red, Word green, Word blue, Word (&out)[3]) {
    const Word early = __byte_perm(red, green, 0x5140);  // r0 g0 r1 g1
    const Word late = __byte_perm(red, green, 0x7362);   // r2 g2 r3 g3
    out[0] = __byte_perm(early, blue, 0x2410);
    out[1] = __byte_perm(__byte_perm(early, blue, 0x0053), late, 0x5410);
    out[2] = __byte_perm(late, blue, 0x7326);
}

// ---- The depth network's input ---------------------------------------------------------------

// float(byte `which` of `word`) / 255, correctly rounded: a product with the reciprocal and one
// exact correction, which the tests hold against a division for all 256 values.
__device__ __forceinline__ float unit_interval(Word word, Word which) {
    const float value = __uint_as_float(__byte_perm(word, 0x4B000000u, 0x7540 | which)) - 8388608.0f;
    const float reciprocal = 0.003921568859368563f;
    const float quotient = value * reciprocal;
    return fmaf(fmaf(-quotient, 255.0f, value), reciprocal, quotient);
}

// Two numbers of 16 bits, rounded to nearest even; `first` in the lower half.
__device__ __forceinline__ Word pack(float first, float second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    Word both;
    if (NETWORK == 1) {
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    } else {
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    }
    return both;
#else
    Word half[2] = {__float_as_uint(first), __float_as_uint(second)};
#pragma unroll
    for (int i = 0; i < 2; ++i) {
        const Word bits = half[i];  // 0, or 1/255 to 1: a normal number in either format
        if (NETWORK == 1) {
            half[i] = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
        } else {
            half[i] = bits ? ((bits + 0xFFFu + (bits >> 13 & 1u)) >> 13) - 0x1C000u : 0u;
        }
    }
    return half[0] | half[1] << 16;
#endif
}

constexpr int NUMBERS = NETWORK == 3 ? 4 : 8;  // of the network's input, in 16 bytes

// 16 bytes of network input from the NUMBERS bytes in `low` and `high`.
__device__ __forceinline__ uint4 numbers_of(Word low, Word high) {
    if (NETWORK == 3) {
        return make_uint4(
            __float_as_uint(unit_interval(low, 0)), __float_as_uint(unit_interval(low, 1)),
            __float_as_uint(unit_interval(low, 2)), __float_as_uint(unit_interval(low, 3)));
    }
    return make_uint4(
        pack(unit_interval(low, 0), unit_interval(low, 1)),
        pack(unit_interval(low, 2), unit_interval(low, 3)),
        pack(unit_interval(high, 0), unit_interval(high, 1)),
        pack(unit_interval(high, 2), unit_interval(high, 3)));
}
