// Max and average pooling over (N, C, H, W) arrays; a plane is one (n, c) image.
//   max_pool2d                  one thread an output element; scans its window.
//   max_pool2d_backward_tiles   one thread a tile of stride x stride input elements, aligned with the image; in a file
//                               compiled for one window. Loads each window that reaches into the tile once; every index
//                               inside the tile is a constant, so that nothing is divided.
//   max_pool2d_backward_gather  one thread an input element; walks over the windows above it. For any window.
//   max_pool2d_backward_atomic  one thread an output element; adds into a grad_x of zeros. Where windows overlap the
//                               order of additions, and so the last bits, differ from run to run.
//   avg_pool2d, avg_pool2d_backward_tiles, avg_pool2d_backward_gather
//                               the same for means.
// Where windows do not overlap, tiles and gather find one window at most above an element: plain stores. Both write all
// of grad_x, also what no window covers, so that nothing has to clear it, and both add in the order of the places
// inside the window, row-major, whatever the launch.
// Offsets are row * (columns of the window) + column inside the window: one byte, or four (*_wide) for windows of more
// than 256 elements. Ties go to the first in row-major order; 0.0 and -0.0 tie. A NaN beats every number, and the last
// of several wins. Padding is never chosen, not even over -inf. A window must have one real element.

typedef Pack<real, 2> Pair;

// Whether each row of each window is a pair: windows of two columns side by side, from the first column of images of
// even width on, all begin at even places.
__device__ __forceinline__ bool rows_are_pairs(const Window& window, const real* images) {
  return Window::size_is_constant && window.kernel_cols() == 2 && window.stride_cols() == 2 && window.left == 0 &&
         window.width % 2 == 0 && may_pack<Pair>(images);
}

// One row of a window, which is loaded at once if it is a pair: lanes two columns apart would else fetch each sector
// once for either column.
struct WindowRow {
  const real* pixels;  // of the whole row of the image
  bool is_pair;
  Pair pair;

  __device__ WindowRow(const real* pixels, int first_col, bool is_pair) : pixels(pixels), is_pair(is_pair), pair() {
    if (is_pair) pair = *reinterpret_cast<const Pair*>(pixels + first_col);
  }

  // Element c of the row, which stands in column `col` of the image.
  __device__ real element(int c, int col) const {
    if (!is_pair) return pixels[col];
    return c == 0 ? pair.values[0] : pair.values[1];
  }
};

// -------------------------------------------------------------------------------------------------------- max pooling

template <typename Offset>
__device__ void choose_largest(const real* __restrict__ x, real* __restrict__ y, Offset* __restrict__ offsets,
                               const Window& window, index_t planes) {
  const index_t size = planes * window.out_size();
  const bool pairs = rows_are_pairs(window, x);
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    index_t plane = i;
    const int first_col = window.first_col(pop_coordinate(plane, window.out_width));
    const int first_row = window.first_row(pop_coordinate(plane, window.out_height));
    const real* image = x + plane * window.image_size();
    real largest(0);
    int chosen = -1;
#pragma unroll
    for (int r = 0; r < window.kernel_rows(); ++r) {
      const int row = first_row + r * window.dilation_rows();
      if (!window.has_row(row)) continue;
      const WindowRow elements(image + static_cast<index_t>(row) * window.width, first_col, pairs);
#pragma unroll
      for (int c = 0; c < window.kernel_cols(); ++c) {
        const int col = first_col + c * window.dilation_cols();
        if (!window.has_col(col)) continue;
        const real value = elements.element(c, col);
        if (chosen < 0 || value > largest || value != value) {
          largest = value;
          chosen = r * window.kernel_cols() + c;
        }
      }
    }
    y[i] = largest;
    offsets[i] = static_cast<Offset>(chosen);
  }
}

extern "C" __global__ void max_pool2d(const real* __restrict__ x, real* __restrict__ y,
                                      unsigned char* __restrict__ offsets, Window window, index_t planes) {
  choose_largest(x, y, offsets, window, planes);
}

extern "C" __global__ void max_pool2d_wide(const real* __restrict__ x, real* __restrict__ y,
                                           unsigned int* __restrict__ offsets, Window window, index_t planes) {
  choose_largest(x, y, offsets, window, planes);
}

// Along one axis, the windows above an input element from the last one to the first, and which of the window's elements
// it is for each. Distances grow by one stride a step; quotient and remainder by the dilation are carried along.
struct WindowsAbove {
  int out, element, remainder;  // a window, and its element: real only if the remainder is 0
  int element_step, remainder_step, dilation, elements;

  __device__ WindowsAbove(int place, int stride, int dilation, int elements, int windows)
      : out(place / stride), element_step(stride / dilation), remainder_step(stride % dilation), dilation(dilation),
        elements(elements) {
    if (out >= windows) out = windows - 1;
    const int distance = place - out * stride;
    element = distance / dilation;
    remainder = distance % dilation;
  }

  __device__ bool reaches() const { return out >= 0 && element < elements; }
  __device__ bool hits() const { return remainder == 0; }

  __device__ void advance() {
    --out;
    element += element_step;
    remainder += remainder_step;
    if (remainder >= dilation) {
      remainder -= dilation;
      ++element;
    }
  }
};

__device__ __forceinline__ WindowsAbove rows_above(const Window& window, int row) {
  return WindowsAbove(row + window.top, window.stride_rows(), window.dilation_rows(), window.kernel_rows(),
                      window.out_height);
}

__device__ __forceinline__ WindowsAbove cols_above(const Window& window, int col) {
  return WindowsAbove(col + window.left, window.stride_cols(), window.dilation_cols(), window.kernel_cols(),
                      window.out_width);
}

template <typename Offset>
__device__ void gather_chosen(const real* __restrict__ grad_y, const Offset* __restrict__ offsets,
                              real* __restrict__ grad_x, const Window& window, index_t planes) {
  const index_t size = planes * window.image_size();
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    index_t plane = i;
    const int col = pop_coordinate(plane, window.width), row = pop_coordinate(plane, window.height);
    accumulator sum = 0;
    for (WindowsAbove rows = rows_above(window, row); rows.reaches(); rows.advance()) {
      if (!rows.hits()) continue;
      const index_t out_line = plane * window.out_size() + static_cast<index_t>(rows.out) * window.out_width;
      for (WindowsAbove cols = cols_above(window, col); cols.reaches(); cols.advance()) {
        if (!cols.hits()) continue;
        const Offset own = static_cast<Offset>(rows.element * window.kernel_cols() + cols.element);
        if (offsets[out_line + cols.out] == own) sum += accumulator(grad_y[out_line + cols.out]);
      }
    }
    grad_x[i] = real(sum);
  }
}

extern "C" __global__ void max_pool2d_backward_gather(const real* __restrict__ grad_y,
                                                      const unsigned char* __restrict__ offsets,
                                                      real* __restrict__ grad_x, Window window, index_t planes) {
  gather_chosen(grad_y, offsets, grad_x, window, planes);
}

extern "C" __global__ void max_pool2d_backward_gather_wide(const real* __restrict__ grad_y,
                                                           const unsigned int* __restrict__ offsets,
                                                           real* __restrict__ grad_x, Window window, index_t planes) {
  gather_chosen(grad_y, offsets, grad_x, window, planes);
}

template <typename Offset>
__device__ void scatter_chosen(const real* __restrict__ grad_y, const Offset* __restrict__ offsets, real* grad_x,
                               const Window& window, index_t planes) {
  const index_t size = planes * window.out_size();
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    index_t plane = i;
    const int first_col = window.first_col(pop_coordinate(plane, window.out_width));
    const int first_row = window.first_row(pop_coordinate(plane, window.out_height));
    const unsigned int offset = offsets[i], cols = window.kernel_cols();
    const int row = first_row + static_cast<int>(offset / cols) * window.dilation_rows();
    const int col = first_col + static_cast<int>(offset % cols) * window.dilation_cols();
    if (!window.has_row(row) || !window.has_col(col)) continue;  // offsets of another pooling must not write elsewhere
    atomicAdd(grad_x + plane * window.image_size() + static_cast<index_t>(row) * window.width + col, grad_y[i]);
  }
}

extern "C" __global__ void max_pool2d_backward_atomic(const real* __restrict__ grad_y,
                                                      const unsigned char* __restrict__ offsets, real* grad_x,
                                                      Window window, index_t planes) {
  scatter_chosen(grad_y, offsets, grad_x, window, planes);
}

extern "C" __global__ void max_pool2d_backward_atomic_wide(const real* __restrict__ grad_y,
                                                           const unsigned int* __restrict__ offsets, real* grad_x,
                                                           Window window, index_t planes) {
  scatter_chosen(grad_y, offsets, grad_x, window, planes);
}

// ---------------------------------------------------------------------------------------------------- average pooling

// How many elements of a window that starts at `first` count along one axis of `size` elements: those before `limit`,
// and not before `start`.
__device__ __forceinline__ int elements_between(int start, int limit, int first, int elements, int dilation) {
  const int skipped = first >= start ? 0 : divide_up(start - first, dilation);
  return minimum(elements, divide_up(limit - first, dilation)) - skipped;
}

// Elements that count in the window of one output row (column): those on the image, or on the padded image.
__device__ __forceinline__ int counted_rows(const Window& window, int out_row, bool include_padding) {
  return elements_between(include_padding ? -window.top : 0, window.height + (include_padding ? window.bottom : 0),
                          window.first_row(out_row), window.kernel_rows(), window.dilation_rows());
}

__device__ __forceinline__ int counted_cols(const Window& window, int out_col, bool include_padding) {
  return elements_between(include_padding ? -window.left : 0, window.width + (include_padding ? window.right : 0),
                          window.first_col(out_col), window.kernel_cols(), window.dilation_cols());
}

extern "C" __global__ void avg_pool2d(const real* __restrict__ x, real* __restrict__ y, Window window,
                                      bool include_padding, index_t planes) {
  const index_t size = planes * window.out_size();
  const bool pairs = rows_are_pairs(window, x);
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    index_t plane = i;
    const int out_col = pop_coordinate(plane, window.out_width), out_row = pop_coordinate(plane, window.out_height);
    const int first_col = window.first_col(out_col), first_row = window.first_row(out_row);
    const real* image = x + plane * window.image_size();
    accumulator sum = 0;
#pragma unroll
    for (int r = 0; r < window.kernel_rows(); ++r) {
      const int row = first_row + r * window.dilation_rows();
      if (!window.has_row(row)) continue;
      const WindowRow elements(image + static_cast<index_t>(row) * window.width, first_col, pairs);
#pragma unroll
      for (int c = 0; c < window.kernel_cols(); ++c) {
        const int col = first_col + c * window.dilation_cols();
        if (window.has_col(col)) sum += accumulator(elements.element(c, col));
      }
    }
    const int count =
        counted_rows(window, out_row, include_padding) * counted_cols(window, out_col, include_padding);
    y[i] = real(sum / static_cast<accumulator>(count));
  }
}

extern "C" __global__ void avg_pool2d_backward_gather(const real* __restrict__ grad_y, real* __restrict__ grad_x,
                                                      Window window, bool include_padding, index_t planes) {
  const index_t size = planes * window.image_size();
  for (index_t i = global_thread(); i < size; i += total_threads()) {
    index_t plane = i;
    const int col = pop_coordinate(plane, window.width), row = pop_coordinate(plane, window.height);
    accumulator sum = 0;
    for (WindowsAbove rows = rows_above(window, row); rows.reaches(); rows.advance()) {
      if (!rows.hits()) continue;
      const index_t out_line = plane * window.out_size() + static_cast<index_t>(rows.out) * window.out_width;
      const int row_count = counted_rows(window, rows.out, include_padding);
      for (WindowsAbove cols = cols_above(window, col); cols.reaches(); cols.advance()) {
        if (!cols.hits()) continue;
        const int count = row_count * counted_cols(window, cols.out, include_padding);
        sum += accumulator(grad_y[out_line + cols.out]) / static_cast<accumulator>(count);
      }
    }
    grad_x[i] = real(sum);
  }
}

// ----------------------------------------------------------------------------------------------- tiles for one window

// The window that tiles are compiled for. The host launches them for no other; without one, the file still compiles.
#ifdef KERNEL_ROWS
constexpr int TILE_KERNEL = KERNEL_ROWS, TILE_STRIDE = STRIDE_ROWS;
constexpr int ROW_PHASE = PHASE_ROWS, COL_PHASE = PHASE_COLS;  // padding modulo stride
static_assert(KERNEL_ROWS == KERNEL_COLS && STRIDE_ROWS == STRIDE_COLS, "tiles are square");
#else
constexpr int TILE_KERNEL = 2, TILE_STRIDE = 2, ROW_PHASE = 0, COL_PHASE = 0;
#endif

// The padding is a number of whole strides and a phase. Window t + (whole strides) + d, seen from tile t, has its first
// element at d * stride - phase inside the tile; those that reach into the tile have d from FIRST to LAST.
constexpr int FIRST_ROW_WINDOW = TILE_KERNEL > ROW_PHASE ? -((TILE_KERNEL - 1 - ROW_PHASE) / TILE_STRIDE) : 1;
constexpr int FIRST_COL_WINDOW = TILE_KERNEL > COL_PHASE ? -((TILE_KERNEL - 1 - COL_PHASE) / TILE_STRIDE) : 1;
constexpr int ROW_WINDOWS = (ROW_PHASE > 0 ? 1 : 0) - FIRST_ROW_WINDOW + 1;
constexpr int COL_WINDOWS = (COL_PHASE > 0 ? 1 : 0) - FIRST_COL_WINDOW + 1;

// Compute each element of each tile: `Windows` loads the windows that reach into a tile, and gives what window (a, b)
// sends to its element (r, c). Windows are added from the last to the first, which is row-major inside a window.
template <typename Windows>
__device__ __forceinline__ void gather_tiles(Windows& windows, real* __restrict__ grad_x, const Window& window,
                                             index_t planes) {
  const int tile_rows = divide_up(window.height, TILE_STRIDE), tile_cols = divide_up(window.width, TILE_STRIDE);
  const int whole_rows = window.top / TILE_STRIDE, whole_cols = window.left / TILE_STRIDE;
  const bool pairs = TILE_STRIDE == 2 && window.width % 2 == 0;  // grad_x itself is aligned: it is a whole allocation
  const index_t tiles = planes * tile_rows * tile_cols;
  for (index_t i = global_thread(); i < tiles; i += total_threads()) {
    index_t plane = i;
    const int tile_col = pop_coordinate(plane, tile_cols), tile_row = pop_coordinate(plane, tile_rows);
#pragma unroll
    for (int a = 0; a < ROW_WINDOWS; ++a) {
      const int out_row = tile_row + whole_rows + FIRST_ROW_WINDOW + a;
#pragma unroll
      for (int b = 0; b < COL_WINDOWS; ++b) {
        const int out_col = tile_col + whole_cols + FIRST_COL_WINDOW + b;
        const bool exists = static_cast<unsigned int>(out_row) < static_cast<unsigned int>(window.out_height) &&
                            static_cast<unsigned int>(out_col) < static_cast<unsigned int>(window.out_width);
        windows.load(a, b, exists, out_row, out_col,
                     plane * window.out_size() + static_cast<index_t>(out_row) * window.out_width + out_col);
      }
    }
#pragma unroll
    for (int u = 0; u < TILE_STRIDE; ++u) {
      const int row = tile_row * TILE_STRIDE + u;
      accumulator sums[TILE_STRIDE];
#pragma unroll
      for (int v = 0; v < TILE_STRIDE; ++v) {
        sums[v] = 0;
#pragma unroll
        for (int a = ROW_WINDOWS - 1; a >= 0; --a) {
#pragma unroll
          for (int b = COL_WINDOWS - 1; b >= 0; --b) {
            const int r = u + ROW_PHASE - (FIRST_ROW_WINDOW + a) * TILE_STRIDE;
            const int c = v + COL_PHASE - (FIRST_COL_WINDOW + b) * TILE_STRIDE;
            if (r >= 0 && r < TILE_KERNEL && c >= 0 && c < TILE_KERNEL) windows.add(sums[v], a, b, r, c);
          }
        }
      }
      if (row >= window.height) break;
      real* line = grad_x + plane * window.image_size() + static_cast<index_t>(row) * window.width;
      if (pairs) {
        const Pair pair = {{static_cast<real>(sums[0]), static_cast<real>(sums[TILE_STRIDE - 1])}};
        reinterpret_cast<Pair*>(line)[tile_col] = pair;
      } else {
#pragma unroll
        for (int v = 0; v < TILE_STRIDE; ++v) {
          const int col = tile_col * TILE_STRIDE + v;
          if (col < window.width) line[col] = real(sums[v]);
        }
      }
    }
  }
}

struct ChosenWindows {
  const real* __restrict__ grad_y;
  const unsigned char* __restrict__ offsets;
  accumulator grads[ROW_WINDOWS][COL_WINDOWS];
  int chosen[ROW_WINDOWS][COL_WINDOWS];

  __device__ void load(int a, int b, bool exists, int, int, index_t at) {
    grads[a][b] = exists ? accumulator(grad_y[at]) : accumulator(0);
    chosen[a][b] = exists ? offsets[at] : -1;
  }

  __device__ void add(accumulator& sum, int a, int b, int r, int c) const {
    if (chosen[a][b] == r * TILE_KERNEL + c) sum += grads[a][b];
  }
};

extern "C" __global__ void max_pool2d_backward_tiles(const real* __restrict__ grad_y,
                                                     const unsigned char* __restrict__ offsets,
                                                     real* __restrict__ grad_x, Window window, index_t planes) {
  ChosenWindows windows;
  windows.grad_y = grad_y;
  windows.offsets = offsets;
  gather_tiles(windows, grad_x, window, planes);
}

struct SharingWindows {
  const real* __restrict__ grad_y;
  const Window& window;
  bool include_padding;
  accumulator shares[ROW_WINDOWS][COL_WINDOWS];

  __device__ void load(int a, int b, bool exists, int out_row, int out_col, index_t at) {
    const int count =
        counted_rows(window, out_row, include_padding) * counted_cols(window, out_col, include_padding);
    shares[a][b] = exists ? accumulator(grad_y[at]) / static_cast<accumulator>(count) : accumulator(0);
  }

  __device__ void add(accumulator& sum, int a, int b, int, int) const { sum += shares[a][b]; }
};

extern "C" __global__ void avg_pool2d_backward_tiles(const real* __restrict__ grad_y, real* __restrict__ grad_x,
                                                     Window window, bool include_padding, index_t planes) {
  SharingWindows windows = {grad_y, window, include_padding, {}};
  gather_tiles(windows, grad_x, window, planes);
}
