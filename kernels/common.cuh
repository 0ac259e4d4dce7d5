// What every kernel file begins with: types, indices, wide accesses, windows, channels, reductions and the rectifier.
//
// kernel_library.py puts this text before the text of a kernel file and compiles both as one, once for each dtype:
//   -DREAL=float|double          the type of the arrays
//   -DACCUMULATOR=float|double   the type in which sums are held: REAL itself, or float for types narrower than it
// Kernels are extern "C" and correct for any grid and any one-dimensional block: each loops over its work items,
//   for (index_t i = global_thread(); i < size; i += total_threads()) { ... }
// Nothing is included, so that the file needs no header of the CUDA toolkit, and no name of a real type is written in
// a kernel, so that one source serves every dtype.

typedef REAL real;
typedef ACCUMULATOR accumulator;
typedef long long index_t;  // counts elements: arrays may have more than 2**31 of them

constexpr int WARP_SIZE = 32;
constexpr int MAXIMUM_WARPS = 32;  // of a block: 1024 threads

// ------------------------------------------------------------------------------------------------ threads and indices

__device__ inline index_t global_thread() { return static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x; }

__device__ inline index_t total_threads() { return static_cast<index_t>(gridDim.x) * blockDim.x; }

// The last coordinate of element `index` of an array whose last axis has `size` elements; `index` is left as the index
// over the other axes. Called once for each axis, the last axis first. Division of 64-bit numbers takes a GPU some
// seventy instructions, of 32-bit ones a dozen, and most arrays need no more.
__device__ inline index_t pop_coordinate(index_t& index, index_t size) {
  const index_t whole = index;
  if ((whole | size) <= 0xffffffffLL) {
    index = static_cast<unsigned int>(whole) / static_cast<unsigned int>(size);
  } else {
    index = whole / size;
  }
  return whole - index * size;
}

__device__ inline int pop_coordinate(index_t& index, int size) {
  return static_cast<int>(pop_coordinate(index, static_cast<index_t>(size)));
}

__device__ inline int divide_up(int dividend, int divisor) { return (dividend + divisor - 1) / divisor; }

__device__ inline int minimum(int first, int second) { return first < second ? first : second; }

__device__ inline int maximum(int first, int second) { return first > second ? first : second; }

// ------------------------------------------------------------------------------------------------------ wide accesses

// Neighbouring values that are loaded or stored at once: one by one, a warp would touch the same sectors several times.
template <typename Value, int Count>
struct alignas(Count * sizeof(Value)) Pack {
  Value values[Count];
};

// Whether an array may be accessed by packs from its start on. New arrays may; a view may begin anywhere.
template <typename Packed, typename Value>
__device__ bool may_pack(const Value* array) {
  return reinterpret_cast<unsigned long long>(array) % alignof(Packed) == 0;
}

// ------------------------------------------------------------------------------------------------------------ windows

// A window that slides over an image of height x width. The host has checked that any row or column a window may name,
// padding included, fits an int.
//
// A file compiled with -DKERNEL_ROWS, -DKERNEL_COLS, -DSTRIDE_ROWS and -DSTRIDE_COLS knows them, and a dilation of 1,
// at compile time: loops over the window unroll, and a division by the stride becomes a shift. Kernels read them
// through the methods, which say the same either way; `size_is_constant` asks which.
struct Window {
  int height, width;          // of the image
  int out_height, out_width;  // number of windows
  int rows, cols;             // elements of a window
  int row_stride, col_stride;
  int row_dilation, col_dilation;
  int top, bottom, left, right;  // padding

#ifdef KERNEL_ROWS
  static constexpr bool size_is_constant = true;
  __device__ constexpr int kernel_rows() const { return KERNEL_ROWS; }
  __device__ constexpr int kernel_cols() const { return KERNEL_COLS; }
  __device__ constexpr int stride_rows() const { return STRIDE_ROWS; }
  __device__ constexpr int stride_cols() const { return STRIDE_COLS; }
  __device__ constexpr int dilation_rows() const { return 1; }
  __device__ constexpr int dilation_cols() const { return 1; }
#else
  static constexpr bool size_is_constant = false;
  __device__ int kernel_rows() const { return rows; }
  __device__ int kernel_cols() const { return cols; }
  __device__ int stride_rows() const { return row_stride; }
  __device__ int stride_cols() const { return col_stride; }
  __device__ int dilation_rows() const { return row_dilation; }
  __device__ int dilation_cols() const { return col_dilation; }
#endif

  __device__ int area() const { return kernel_rows() * kernel_cols(); }
  __device__ index_t image_size() const { return static_cast<index_t>(height) * width; }
  __device__ index_t out_size() const { return static_cast<index_t>(out_height) * out_width; }
  // First row (column) of a window; negative in the padding.
  __device__ int first_row(int out_row) const { return out_row * stride_rows() - top; }
  __device__ int first_col(int out_col) const { return out_col * stride_cols() - left; }
  __device__ bool has_row(int row) const { return static_cast<unsigned int>(row) < static_cast<unsigned int>(height); }
  __device__ bool has_col(int col) const { return static_cast<unsigned int>(col) < static_cast<unsigned int>(width); }
};

// Which windows lie over one row (column) of an image, and with which of their elements: starting from element 0,
// `advance` goes to the next element, and `out` is the window that has it there, if there `is_window`. Steps are
// additions: nothing is divided after the start.
struct WindowsOver {
  int out, rest;  // row + padding - element * dilation = out * stride + rest, with 0 <= rest < stride
  int stride, out_step, rest_step;

  __device__ WindowsOver(int padded_row, int stride_, int dilation) : stride(stride_) {
    out = padded_row / stride;
    rest = padded_row - out * stride;
    out_step = dilation / stride;
    rest_step = dilation - out_step * stride;
  }
  __device__ bool is_window(int windows) const { return rest == 0 && out >= 0 && out < windows; }
  __device__ void advance() {
    out -= out_step;
    rest -= rest_step;
    if (rest < 0) {
      rest += stride;
      --out;
    }
  }
};

__device__ inline WindowsOver windows_over_row(const Window& window, int row) {
  return WindowsOver(row + window.top, window.stride_rows(), window.dilation_rows());
}

__device__ inline WindowsOver windows_over_col(const Window& window, int col) {
  return WindowsOver(col + window.left, window.stride_cols(), window.dilation_cols());
}

// ----------------------------------------------------------------------------------------------------------- channels

// An (N, C, inner) array, inner being the product of all axes after the channels, 1 if none follow. Where a channel is
// summed, `parts` blocks take `part_size` of its values each, the last one the rest: who adds what is a matter of sizes
// alone.
struct Channels {
  index_t channels, inner;
  index_t count;  // values of one channel
  index_t part_size, parts;

  __device__ index_t size() const { return channels * count; }
};

// The channel of every `step`-th element of the whole array, from its `first` one on. A step adds and compares: a
// division costs tens of instructions.
struct ElementWalk {
  index_t place, channel, place_step, channel_step, inner, channels;

  __device__ ElementWalk(index_t first, index_t step, const Channels& sizes)
      : inner(sizes.inner), channels(sizes.channels) {
    place = pop_coordinate(first, inner);
    channel = pop_coordinate(first, channels);
    place_step = pop_coordinate(step, inner);
    channel_step = pop_coordinate(step, channels);
  }

  __device__ void advance() {
    place += place_step;
    channel += channel_step;
    if (place >= inner) {
      place -= inner;
      ++channel;
    }
    if (channel >= channels) channel -= channels;
  }
};

// What one thread of a block takes of its part of a channel: every blockDim.x-th value. `item` counts all parts, those
// of a channel one after another; `element` is the value's place in the whole array.
struct PartWalk {
  index_t channel, element;
  index_t value, end;  // which one of the channel's values, and where the part ends
  index_t place, place_step, element_step, inner, other_channels;

  __device__ PartWalk(index_t item, const Channels& sizes)
      : channel(item), inner(sizes.inner), other_channels((sizes.channels - 1) * sizes.inner) {
    const index_t start = pop_coordinate(channel, sizes.parts) * sizes.part_size;
    value = start + threadIdx.x;
    end = start + sizes.part_size < sizes.count ? start + sizes.part_size : sizes.count;
    index_t image = value, image_step = blockDim.x;
    place = pop_coordinate(image, inner);
    place_step = pop_coordinate(image_step, inner);
    element = (image * sizes.channels + channel) * inner + place;
    element_step = image_step * sizes.channels * inner + place_step;
  }

  __device__ bool is_inside() const { return value < end; }

  __device__ void advance() {
    value += blockDim.x;
    element += element_step;
    place += place_step;
    if (place >= inner) {
      place -= inner;
      element += other_channels;
    }
  }
};

// --------------------------------------------------------------------------------------------------------- reductions

// Sums and the like over the threads of a warp or block, always in the same order for the same block size, so that two
// runs give the same bits. Any block size will do: the last warp may be a part of one.

struct Sum {
  template <typename Value>
  __device__ Value operator()(const Value& first, const Value& second) const { return first + second; }
};

// The larger one; NaN if either is.
struct Maximum {
  template <typename Value>
  __device__ Value operator()(const Value& first, const Value& second) const {
    return first != first || first > second ? first : second;
  }
};

// What the thread `offset` lanes further holds. A kernel with a structure to reduce overloads this for it.
__device__ inline float shuffle_down(unsigned int lanes, float value, int offset) {
  return __shfl_down_sync(lanes, value, offset);
}

__device__ inline double shuffle_down(unsigned int lanes, double value, int offset) {
  return __shfl_down_sync(lanes, value, offset);
}

__device__ inline int shuffle_down(unsigned int lanes, int value, int offset) {
  return __shfl_down_sync(lanes, value, offset);
}

// Combine the values of all threads of this warp. Every thread of it must call it; the first lane gets the result.
template <typename Value, typename Combine>
__device__ Value warp_reduce(Value value, Combine combine) {
  const int lane = threadIdx.x % WARP_SIZE;
  const int lanes = minimum(WARP_SIZE, static_cast<int>(blockDim.x) - (static_cast<int>(threadIdx.x) - lane));
  const unsigned int mask = 0xffffffffu >> (WARP_SIZE - lanes);
  for (int offset = WARP_SIZE / 2; offset > 0; offset /= 2) {
    const Value other = shuffle_down(mask, value, offset);
    if (lane + offset < lanes) value = combine(value, other);
  }
  return value;
}

// Combine the values of all threads of this block. Every thread must call it, and every thread gets the result.
// `scratch` is shared memory for MAXIMUM_WARPS values; it may serve one reduction after another.
template <typename Value, typename Combine>
__device__ Value block_reduce(Value value, Combine combine, Value* scratch) {
  value = warp_reduce(value, combine);
  __syncthreads();  // what an earlier reduction left in scratch has been read
  if (threadIdx.x % WARP_SIZE == 0) scratch[threadIdx.x / WARP_SIZE] = value;
  __syncthreads();
  const int warps = divide_up(static_cast<int>(blockDim.x), WARP_SIZE);
  Value total = scratch[0];
  for (int warp = 1; warp < warps; ++warp) total = combine(total, scratch[warp]);
  return total;
}

template <typename Value>
__device__ Value block_sum(Value value, Value* scratch) {
  return block_reduce(value, Sum(), scratch);
}

// ---------------------------------------------------------------------------------------------------------- rectifier

// The larger of a value and 0; NaN stays NaN, at which value > 0 would be false.
__device__ inline real rectified(real value) { return value <= real(0) ? real(0) : value; }

// What a rectifier that gave `y` lets through of a gradient; what it blocks becomes 0, even if it is not finite.
__device__ inline real through_rectifier(real grad_y, real y) { return y <= real(0) ? real(0) : grad_y; }
