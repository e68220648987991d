// Images and masks of a whole batch in one launch: the *over* operator of pixel.py, restated in C.
//
// The kernel is bound by the bytes it writes. A warp owns a tile of 512 consecutive pixels of one
// sample, and a lane owns 16 of them: 48 bytes of image and 16 bytes of mask, so that a pixel's
// channels stand at places known to the compiler. Memory is read and written in chunks of 16 bytes
// that neighbouring lanes take in turn, and a tile under the cut-out passes through shared memory
// once on its way from chunks to pixels and back. A tile beside the cut-out is a copy. docs/
// kernels.md has the arithmetic behind these choices.
//
// The two files need no CUDA header, so that NVRTC finds all it needs, and no feature beyond warp
// barriers, so that the tests run the same lines on a CPU (tests/compositing/host_shim.h).

#ifndef __CUDACC_RTC__  // cupy_cuda.py hands NVRTC both files as one text, so it needs no path
#include "over_unit.cu"
#endif

// Everything a launch needs; cupy_cuda.py builds the same struct. All bank pointers are aligned to
// 16 bytes. `image`, `mask` and `network` may have any address in evafast_over_any, and must be
// aligned to 16 bytes in evafast_over_aligned, which also wants side to be a multiple of 16.
struct Launch {
    Address backgrounds;       // background_chunks * 16 bytes each; rows end to end, padded to whole
                               // 16-pixel units at the end (of each of 3 planes when planar)
    Address cutouts;           // RGBA pixels of all cut-outs, row by row, after 32 pixels of padding
                               // and before as many: a lane may read beside a row, never use it
    Address table;             // per cut-out: int64 first pixel in `cutouts`, int32 width, height
    Address placements;        // per sample: int32 background, foreground, left, top
    Address image;             // out: 3 * side * side bytes per sample
    Address mask;              // out: side * side bytes per sample
    Address network;           // out: 3 * side * side numbers per sample, or 0
    Address background_chunks; // 16-byte chunks from one background to the next
    Word samples;              // in the batch
    Word side;                 // of the canvas, in pixels; side * side < 2**31
    Word tiles;                // per sample: ceil(side * side / 512)
    Word binary;               // mask: 0 coverage, 1 coverage >= 128 ? 255 : 0
};

struct Placement { int background, foreground, left, top; };
struct Cutout { long long first; int width, height; };

// Shared memory of a warp, in chunks of 16 bytes. `interleaved` is the tile as pixels (RGBRGB...),
// `planes` and `matte` stage what may have to leave at odd addresses. One chunk is left over at the
// end, for whole words are read when the last bytes are expected.
template <bool ALIGNED> struct Stage {
    static constexpr bool has_interleaved = !PLANAR || NETWORK;
    static constexpr int planes = has_interleaved ? CHUNKS : 0;
    static constexpr int matte = planes + (PLANAR && !ALIGNED ? CHUNKS : 0);
    static constexpr int chunks = matte + (ALIGNED ? 0 : TILE / 16) + 1;
};

// ---- The cut-out's pixels under a lane -------------------------------------------------------

// `side` is a multiple of 16, so all 16 pixels stand in one row, and the window into the cut-out's
// row is 16 words at any address: five aligned chunks, shifted by 0 to 3 words. Pixels beside the
// cut-out get coverage 0, which leaves the background as it is.
__device__ __forceinline__ bool fetch_row(
    const Launch& launch, const Placement& at, const Cutout& cut, int begin, Word (&pixel)[UNIT]
) {
    const int y = int(Word(begin) / launch.side) - at.top;
    const int x = int(Word(begin) % launch.side) - at.left;
    if (y < 0 || y >= cut.height || x >= cut.width || x + UNIT <= 0) return false;
    const long long start = cut.first + (long long)y * cut.width + x + PADDING;
    const uint4* from = (const uint4*)launch.cutouts + (start >> 2);
    Word window[UNIT + 4];
#pragma unroll
    for (int i = 0; i < UNIT / 4 + 1; ++i) {
        const uint4 chunk = __ldg(from + i);
        window[4 * i] = chunk.x;
        window[4 * i + 1] = chunk.y;
        window[4 * i + 2] = chunk.z;
        window[4 * i + 3] = chunk.w;
    }
    const bool odd = start & 1, two = start & 2;
#pragma unroll
    for (int i = 0; i < UNIT + 2; ++i) window[i] = odd ? window[i + 1] : window[i];
#pragma unroll
    for (int i = 0; i < UNIT; ++i) {
        const Word rgba = two ? window[i + 2] : window[i];
        pixel[i] = Word(x + i) < Word(cut.width) ? rgba : 0u;
    }
    return true;
}

// Any side: the 16 pixels may run over several rows, and over the end of the canvas.
__device__ __forceinline__ bool fetch_any(
    const Launch& launch, const Placement& at, const Cutout& cut, int begin, Word (&pixel)[UNIT]
) {
    const int side = int(launch.side);
    int y = int(Word(begin) / launch.side) - at.top;
    int x = int(Word(begin) % launch.side) - at.left;
    const Word* from = (const Word*)launch.cutouts + PADDING + cut.first;
    bool touched = false;
#pragma unroll
    for (int i = 0; i < UNIT; ++i) {
        const bool inside = Word(x) < Word(cut.width) && Word(y) < Word(cut.height);
        pixel[i] = inside ? __ldg(from + (long long)y * cut.width + x) : 0u;
        touched |= inside;
        if (++x == side - at.left) {
            x = -at.left;
            ++y;
        }
    }
    return touched;
}

// ---- A warp's staged bytes to any address ----------------------------------------------------

// Four bytes from a byte position in shared memory.
__device__ __forceinline__ Word word_at(const Word* staged, Word position) {
    const Word at = position >> 2;
    return __funnelshift_r(staged[at], staged[at + 1], 8 * (position & 3));
}

// Copy `count` staged bytes: single bytes up to the first aligned address and after the last, and
// chunks of 16 between.
__device__ __forceinline__ void store_bytes(Address to, const uint4* staged, int count, int lane) {
    Byte* out = (Byte*)to;
    const Byte* bytes = (const Byte*)staged;
    const Word* words = (const Word*)staged;
    const int gap = int(-to & 15);
    const int head = gap < count ? gap : count;
    if (lane < head) out[lane] = bytes[lane];
    const int chunks = (count - head) / 16;
    for (int i = lane; i < chunks; i += LANES) {
        const Word at = head + 16 * i;
        const uint4 chunk = make_uint4(
            word_at(words, at), word_at(words, at + 4), word_at(words, at + 8),
            word_at(words, at + 12));
        __stcs((uint4*)(out + at), chunk);
    }
    const int rest = head + 16 * chunks + lane;
    if (rest < count) out[rest] = bytes[rest];
}

// The same for the network's input, `count` numbers of it; `to` is aligned to one number.
__device__ __forceinline__ void store_numbers(Address to, const uint4* staged, int count, int lane) {
    constexpr int size = 16 / NUMBERS;
    Byte* out = (Byte*)to;
    const Word* words = (const Word*)staged;
    const int gap = int(-to & 15) / size;
    const int head = gap < count ? gap : count;
    const int chunks = (count - head) / NUMBERS;
    for (int i = lane; i < chunks; i += LANES) {
        const Word at = head + NUMBERS * i;
        __stcs((uint4*)(out + size * at), numbers_of(word_at(words, at), word_at(words, at + 4)));
    }
    const int after = head + NUMBERS * chunks;
    const int lone = lane < head ? lane : after + lane - head;  // head and rest: under 2 * NUMBERS
    if (lone < count) {
        const uint4 few = numbers_of(word_at(words, lone), 0);
        if (NETWORK == 3) {
            *(Word*)(out + 4 * lone) = few.x;
        } else {
            *(unsigned short*)(out + 2 * lone) = (unsigned short)few.x;
        }
    }
}

// ---- The kernel ------------------------------------------------------------------------------

template <bool ALIGNED>
__device__ __forceinline__ void composite(const Launch& launch, uint4* stage) {
    const int lane = threadIdx.x % LANES;
    const int area = int(launch.side * launch.side);
    const Word chunks = Word(launch.background_chunks);
    const Word warps = gridDim.x * WARPS;
    const Word warp = blockIdx.x * WARPS + threadIdx.x / LANES;
    const Word samples_per_turn = warps / launch.tiles, tiles_per_turn = warps % launch.tiles;
    Word sample = warp / launch.tiles, tile = warp % launch.tiles;

    while (sample < launch.samples) {
        const int4 where = __ldg((const int4*)launch.placements + sample);
        const Placement at = {where.x, where.y, where.z, where.w};
        const uint4* background =
            (const uint4*)launch.backgrounds + at.background * launch.background_chunks;
        const int tile_begin = int(tile * TILE);
        const int begin = tile_begin + lane * UNIT;   // this lane's first pixel
        const bool whole = begin < area;

        // Interleaved: chunk i of the tile is lane i % 32's, in turn i / 32. Planar: one chunk of
        // each plane, of this lane's own pixels.
        uint4 chunk[3];
        bool there[3];
        Word from[3];
#pragma unroll
        for (int i = 0; i < 3; ++i) {
            if (PLANAR) {
                there[i] = whole;
                from[i] = i * (chunks / 3) + tile * (TILE / 16) + lane;
            } else {
                from[i] = tile * CHUNKS + i * LANES + lane;
                there[i] = from[i] < chunks;
            }
            chunk[i] = make_uint4(0, 0, 0, 0);
            if (there[i]) chunk[i] = __ldg(background + from[i]);
        }

        const int4 row = __ldg((const int4*)launch.table + at.foreground);
        const Cutout cut = {(long long)((Address)(Word)row.y << 32 | (Word)row.x), row.z, row.w};
        const int side = int(launch.side);
        const int box_begin = at.top * side + at.left;
        const int box_end = box_begin + (cut.height - 1) * side + cut.width;
        const bool covered = tile_begin < box_end && tile_begin + TILE > box_begin;  // warp-uniform

        uint4 matte = make_uint4(0, 0, 0, 0);
        if (covered) {
            Word pixel[UNIT];
            const bool touched = ALIGNED ? fetch_row(launch, at, cut, begin, pixel)
                                         : fetch_any(launch, at, cut, begin, pixel);
            if (!PLANAR) {
#pragma unroll
                for (int i = 0; i < 3; ++i) stage[i * LANES + lane] = chunk[i];
                __syncwarp();
            }
            if (touched) {
                Word rgb[12];
#pragma unroll
                for (int i = 0; i < 3; ++i) {
                    const uint4 four = PLANAR ? chunk[i] : stage[3 * lane + i];
                    rgb[4 * i] = four.x;
                    rgb[4 * i + 1] = four.y;
                    rgb[4 * i + 2] = four.z;
                    rgb[4 * i + 3] = four.w;
                }
                if (PLANAR) blend_planar(pixel, rgb); else blend_interleaved(pixel, rgb);
                matte = matte_of(pixel, launch.binary);
#pragma unroll
                for (int i = 0; i < 3; ++i) {
                    const uint4 four =
                        make_uint4(rgb[4 * i], rgb[4 * i + 1], rgb[4 * i + 2], rgb[4 * i + 3]);
                    if (PLANAR) chunk[i] = four; else stage[3 * lane + i] = four;
                }
            }
            if (!PLANAR && ALIGNED) {
                __syncwarp();
#pragma unroll
                for (int i = 0; i < 3; ++i) chunk[i] = stage[i * LANES + lane];
            }
        } else if (!PLANAR && (NETWORK || !ALIGNED)) {
#pragma unroll
            for (int i = 0; i < 3; ++i) stage[i * LANES + lane] = chunk[i];
        }
        if (PLANAR && NETWORK) {
            const Word* planes[3] = {&chunk[0].x, &chunk[1].x, &chunk[2].x};
            Word rgb[12];
#pragma unroll
            for (int i = 0; i < 4; ++i) {
                Word three[3];
                interleave(planes[0][i], planes[1][i], planes[2][i], three);
                rgb[3 * i] = three[0];
                rgb[3 * i + 1] = three[1];
                rgb[3 * i + 2] = three[2];
            }
#pragma unroll
            for (int i = 0; i < 3; ++i) {
                stage[3 * lane + i] =
                    make_uint4(rgb[4 * i], rgb[4 * i + 1], rgb[4 * i + 2], rgb[4 * i + 3]);
            }
        }

        const Address pixels = (Address)sample * area;  // before this sample; 64 bits from here on
        const int left_over = area - tile_begin;
        const int count = left_over < TILE ? left_over : TILE;
        if (ALIGNED) {
            uint4* image = (uint4*)(launch.image + 3 * pixels);
#pragma unroll
            for (int i = 0; i < 3; ++i) {
                if (there[i]) __stcs(image + from[i], chunk[i]);
            }
            if (whole) __stcs((uint4*)(launch.mask + pixels + begin), matte);
            if (NETWORK) {
                __syncwarp();
                uint4* network = (uint4*)(
                    launch.network + 3 * (pixels + tile_begin) * (16 / NUMBERS));
#pragma unroll
                for (int i = 0; i < 3 * TILE / NUMBERS / LANES; ++i) {
                    const int at16 = i * LANES + lane;
                    if (at16 * NUMBERS < 3 * count) {
                        uint2 bytes;
                        if (NETWORK == 3) {
                            bytes = make_uint2(((const Word*)stage)[at16], 0);
                        } else {
                            bytes = ((const uint2*)stage)[at16];
                        }
                        __stcs(network + at16, numbers_of(bytes.x, bytes.y));
                    }
                }
            }
        } else {
            using Here = Stage<ALIGNED>;
            stage[Here::matte + lane] = matte;
            if (PLANAR) {
#pragma unroll
                for (int i = 0; i < 3; ++i) stage[Here::planes + i * LANES + lane] = chunk[i];
            }
            __syncwarp();
            const Address image = launch.image + 3 * pixels;
            if (PLANAR) {
                for (int i = 0; i < 3; ++i) {
                    store_bytes(image + (Address)i * area + tile_begin,
                                stage + Here::planes + i * LANES, count, lane);
                }
            } else {
                store_bytes(image + 3 * (Address)tile_begin, stage, 3 * count, lane);
            }
            store_bytes(launch.mask + pixels + tile_begin, stage + Here::matte, count, lane);
            if (NETWORK) {
                store_numbers(launch.network + 3 * (pixels + tile_begin) * (16 / NUMBERS),
                              stage, 3 * count, lane);
            }
        }
        __syncwarp();  // the stage is read to the end before the next tile enters it

        sample += samples_per_turn;
        tile += tiles_per_turn;
        if (tile >= launch.tiles) {
            tile -= launch.tiles;
            ++sample;
        }
    }
}

// Four blocks on a multiprocessor leave a thread 64 registers, three leave it 80; the plain aligned
// kernel needs no more than the former, and nothing may spill (tests/compositing/test_ptx.py).
extern "C" __global__ void __launch_bounds__(WARPS * LANES, NETWORK ? 3 : 4)
evafast_over_aligned(Launch launch) {
    __shared__ uint4 stage[WARPS][Stage<true>::chunks];
    composite<true>(launch, stage[threadIdx.x / LANES]);
}

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 3)
evafast_over_any(Launch launch) {
    __shared__ uint4 stage[WARPS][Stage<false>::chunks];
    composite<false>(launch, stage[threadIdx.x / LANES]);
}
