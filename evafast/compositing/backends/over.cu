// Composites a batch in one launch: images and masks by the rule of pixel.py, restated in CUDA C++.
//
// A warp owns a tile of 512 consecutive pixels of one sample, and a lane owns 16 of them: 48 bytes
// of image and 16 of mask. Global memory is accessed in 16-byte chunks, coalesced across the warp. A
// tile under the foreground passes through shared memory, from chunks to pixels and back; any other
// tile is a plain copy. docs/kernels.md gives the reasons. The file needs no header, so NVRTC needs no
// include path, and no warp primitive but barriers, so the tests run it on a CPU.

typedef unsigned char Byte;
typedef unsigned int Word;              // four bytes
typedef unsigned long long Address;     // in device memory; also 64-bit byte counts

constexpr int LANES = 32;
constexpr int UNIT = 16;                // pixels per lane
constexpr int TILE = LANES * UNIT;      // pixels per warp and iteration
constexpr int WARPS = 8;                // per block
constexpr int CHUNKS = 3 * TILE / 16;   // of a tile's image
constexpr int PADDING = 32;             // pixels before the first foreground

// Arguments of a launch; LAUNCH in cupy_cuda.py is the same struct. The bank's pointers are aligned
// to 16 bytes. evafast_over_aligned needs aligned `image` and `mask` too, and a side that is a
// multiple of 16; evafast_over_any takes any address and side.
struct Launch {
    Address backgrounds;        // RGB; each background padded at its end to whole 16-pixel units
    Address foregrounds;        // RGBA, all foregrounds row by row, between 32 pixels of padding
    Address table;              // per foreground: int64 first pixel, int32 width, int32 height
    Address placements;         // per sample: int32 background, foreground, left, top
    Address image;              // output: (samples, side, side, 3) bytes
    Address mask;               // output: (samples, side, side) bytes
    Address background_chunks;  // 16-byte chunks per background
    Word samples;               // in the batch
    Word side;                  // of the canvas in pixels; side * side < 2**31
    Word tiles;                 // per sample: ceil(side * side / 512)
    Word binary;                // mask: 0 for coverage, 1 for coverage >= 128 ? 255 : 0
};

struct Placement { int background, foreground, left, top; };
struct Foreground { long long first; int width, height; };

// Blend one channel of one pixel; the result is in byte 2. `pair` has the foreground in byte 0 and
// the background in byte 1, `weights` has coverage and 255 - coverage. The dot product is t of
// pixel.over, and (t + (t >> 8)) >> 8 equals t * 257 >> 16.
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
__device__ __forceinline__ void blend(const Word (&pixel)[UNIT], Word (&rgb)[12]) {
#pragma unroll
    for (int word = 0; word < 12; ++word) {
        Word value[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            const int byte = 4 * word + i;
            const Word rgba = pixel[byte / 3];
            const Word pair = __byte_perm(rgba, rgb[word], (byte % 3) | (4 + i) << 4);
            value[i] = over(pair, weights_of(rgba));
        }
        rgb[word] = gather(value[0], value[1], value[2], value[3], 2);
    }
}

// The mask of 16 RGBA pixels.
__device__ __forceinline__ uint4 mask_of(const Word (&pixel)[UNIT], Word binary) {
    Word word[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
        word[i] = gather(pixel[4 * i], pixel[4 * i + 1], pixel[4 * i + 2], pixel[4 * i + 3], 3);
        if (binary) word[i] = ((word[i] >> 7) & 0x01010101u) * 255u;  // top bit set: >= 128
    }
    return make_uint4(word[0], word[1], word[2], word[3]);
}

// Load the foreground's pixels over a lane's 16, with coverage 0 beside it; return if there are any.
// Here `side` is a multiple of 16, so all are in one row, as are the foreground's 16 words, at any
// word address: load five aligned chunks and shift by 0 to 3 words.
__device__ __forceinline__ bool fetch_row(
    const Launch& launch, const Placement& at, const Foreground& fg, int begin, Word (&pixel)[UNIT]
) {
    const int y = int(Word(begin) / launch.side) - at.top;
    const int x = int(Word(begin) % launch.side) - at.left;
    if (y < 0 || y >= fg.height || x >= fg.width || x + UNIT <= 0) return false;
    const long long start = fg.first + (long long)y * fg.width + x + PADDING;
    const uint4* from = (const uint4*)launch.foregrounds + (start >> 2);
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
        pixel[i] = Word(x + i) < Word(fg.width) ? rgba : 0u;
    }
    return true;
}

// Any side: the 16 pixels may span several rows and run past the end of the canvas.
__device__ __forceinline__ bool fetch_any(
    const Launch& launch, const Placement& at, const Foreground& fg, int begin, Word (&pixel)[UNIT]
) {
    const int side = int(launch.side);
    int y = int(Word(begin) / launch.side) - at.top;
    int x = int(Word(begin) % launch.side) - at.left;
    const Word* from = (const Word*)launch.foregrounds + PADDING + fg.first;
    bool touched = false;
#pragma unroll
    for (int i = 0; i < UNIT; ++i) {
        const bool inside = Word(x) < Word(fg.width) && Word(y) < Word(fg.height);
        pixel[i] = inside ? __ldg(from + (long long)y * fg.width + x) : 0u;
        touched |= inside;
        if (++x == side - at.left) {
            x = -at.left;
            ++y;
        }
    }
    return touched;
}

// Four bytes from any byte position in shared memory.
__device__ __forceinline__ Word word_at(const Word* stage, Word position) {
    const Word at = position >> 2;
    return __funnelshift_r(stage[at], stage[at + 1], 8 * (position & 3));
}

// Copy `count` bytes: single bytes up to the first aligned address, 16-byte chunks, single bytes.
__device__ __forceinline__ void store_bytes(Address to, const uint4* stage, int count, int lane) {
    Byte* out = (Byte*)to;
    const Byte* bytes = (const Byte*)stage;
    const Word* words = (const Word*)stage;
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

// A warp's shared memory in chunks: the tile's image, and for any address also its mask and one
// chunk more, because word_at reads a word beyond the last byte.
template <bool ALIGNED> constexpr int STAGE = CHUNKS + (ALIGNED ? 0 : TILE / 16 + 1);

template <bool ALIGNED>
__device__ __forceinline__ void composite(const Launch& launch, uint4* stage) {
    const int lane = threadIdx.x % LANES;
    const int side = int(launch.side), area = side * side;
    const Word chunks = Word(launch.background_chunks);
    const Word warps = gridDim.x * WARPS;
    const Word warp = blockIdx.x * WARPS + threadIdx.x / LANES;
    const Word samples_per_step = warps / launch.tiles, tiles_per_step = warps % launch.tiles;
    Word sample = warp / launch.tiles, tile = warp % launch.tiles;

    while (sample < launch.samples) {
        const int4 where = __ldg((const int4*)launch.placements + sample);
        const Placement at = {where.x, where.y, where.z, where.w};
        const uint4* background =
            (const uint4*)launch.backgrounds + at.background * launch.background_chunks;
        const int tile_begin = int(tile * TILE);
        const int begin = tile_begin + lane * UNIT;  // this lane's first pixel

        uint4 chunk[3];
        Word position[3];  // in the image; neighbouring lanes take neighbouring chunks
#pragma unroll
        for (int i = 0; i < 3; ++i) {
            position[i] = tile * CHUNKS + i * LANES + lane;
            chunk[i] = make_uint4(0, 0, 0, 0);
            if (position[i] < chunks) chunk[i] = __ldg(background + position[i]);
        }

        const int4 row = __ldg((const int4*)launch.table + at.foreground);
        const Foreground fg = {(long long)((Address)(Word)row.y << 32 | (Word)row.x), row.z, row.w};
        const int box_begin = at.top * side + at.left;
        const int box_end = box_begin + (fg.height - 1) * side + fg.width;
        const bool covered = tile_begin < box_end && tile_begin + TILE > box_begin;  // warp-uniform

        uint4 matte = make_uint4(0, 0, 0, 0);
        if (covered) {
            Word pixel[UNIT];
            const bool touched = ALIGNED ? fetch_row(launch, at, fg, begin, pixel)
                                         : fetch_any(launch, at, fg, begin, pixel);
#pragma unroll
            for (int i = 0; i < 3; ++i) stage[i * LANES + lane] = chunk[i];
            __syncwarp();
            if (touched) {
                Word rgb[12];
#pragma unroll
                for (int i = 0; i < 3; ++i) {
                    const uint4 four = stage[3 * lane + i];
                    rgb[4 * i] = four.x;
                    rgb[4 * i + 1] = four.y;
                    rgb[4 * i + 2] = four.z;
                    rgb[4 * i + 3] = four.w;
                }
                blend(pixel, rgb);
                matte = mask_of(pixel, launch.binary);
#pragma unroll
                for (int i = 0; i < 3; ++i) {
                    stage[3 * lane + i] =
                        make_uint4(rgb[4 * i], rgb[4 * i + 1], rgb[4 * i + 2], rgb[4 * i + 3]);
                }
            }
            if (ALIGNED) {
                __syncwarp();
#pragma unroll
                for (int i = 0; i < 3; ++i) chunk[i] = stage[i * LANES + lane];
            }
        } else if (!ALIGNED) {
#pragma unroll
            for (int i = 0; i < 3; ++i) stage[i * LANES + lane] = chunk[i];
        }

        const Address pixels = (Address)sample * area;  // before this sample
        if (ALIGNED) {
            uint4* image = (uint4*)(launch.image + 3 * pixels);
#pragma unroll
            for (int i = 0; i < 3; ++i) {
                if (position[i] < chunks) __stcs(image + position[i], chunk[i]);
            }
            if (begin < area) __stcs((uint4*)(launch.mask + pixels + begin), matte);
        } else {
            stage[CHUNKS + lane] = matte;
            __syncwarp();
            const int left = area - tile_begin;
            const int count = left < TILE ? left : TILE;
            store_bytes(launch.image + 3 * (pixels + tile_begin), stage, 3 * count, lane);
            store_bytes(launch.mask + pixels + tile_begin, stage + CHUNKS, count, lane);
        }
        __syncwarp();  // all lanes have read the stage before the next tile overwrites it

        sample += samples_per_step;
        tile += tiles_per_step;
        if (tile >= launch.tiles) {
            tile -= launch.tiles;
            ++sample;
        }
    }
}

// Four resident blocks leave 64 registers per thread, three leave 80; nothing may spill.
extern "C" __global__ void __launch_bounds__(WARPS * LANES, 4) evafast_over_aligned(Launch launch) {
    __shared__ uint4 stage[WARPS][STAGE<true>];
    composite<true>(launch, stage[threadIdx.x / LANES]);
}

extern "C" __global__ void __launch_bounds__(WARPS * LANES, 3) evafast_over_any(Launch launch) {
    __shared__ uint4 stage[WARPS][STAGE<false>];
    composite<false>(launch, stage[threadIdx.x / LANES]);
}
