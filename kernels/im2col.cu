// Windows as columns of a matrix, and back, over NCHW images.
//   im2col         one thread per window of one channel; copies its elements. Padding is 0.
//   col2im         its transpose: columns go back where they came from, and overlapping entries add. A gather: each
//                  pixel sums what lies over it, in the order of the window's elements, so that no two threads write to
//                  one place and every run gives the same bits. With a window known at compile time, one thread per
//                  stride x stride tile of pixels: which elements meet which pixel of a tile is then the same for all
//                  tiles, and each column entry is read once, at an address without a division. Otherwise one thread
//                  per pixel. Writes every pixel; needs no clearing.
//   col2im_atomic  the same as a scatter: one thread per window of one channel, adding with atomics into zeros. The
//                  order of the additions, and with it the last bits of the sums, may differ from run to run.
// Row (c * kernel_rows + i) * kernel_cols + j of the columns holds element (i, j) of channel c; consecutive windows of
// an image lie side by side in it. `image_stride` and `row_stride` tell the distances between images and between rows:
// the columns of several images are one matrix if an image's part of a row follows that of the image before.
// NaN and infinity are copied and added like any other number.

struct Column {
  index_t start;  // of the window's element (0, 0) in the columns
  int image_row, image_col;  // of that element in the image; negative in the padding
  index_t plane;  // start of the channel in the images
};

// The column of work item `index`: over images, channels, rows and columns of windows.
__device__ inline Column column_of(index_t index, int channels, const Window& window, index_t image_stride,
                                   index_t row_stride) {
  const int out_col = pop_coordinate(index, window.out_width);
  const int out_row = pop_coordinate(index, window.out_height);
  const index_t plane = index * window.image_size();
  const int channel = pop_coordinate(index, channels);
  const index_t start = index * image_stride + static_cast<index_t>(channel) * window.area() * row_stride +
                        static_cast<index_t>(out_row) * window.out_width + out_col;
  return Column{start, window.first_row(out_row), window.first_col(out_col), plane};
}

extern "C" __global__ void im2col(const real* __restrict__ x, real* __restrict__ columns, index_t images,
                                  int channels, Window window, index_t image_stride, index_t row_stride) {
  const index_t size = images * channels * window.out_size();
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    const Column column = column_of(index, channels, window, image_stride, row_stride);
    real* target = columns + column.start;
    for (int i = 0; i < window.kernel_rows(); ++i) {
      const int row = column.image_row + i * window.dilation_rows();
      const real* source = x + column.plane + static_cast<index_t>(row) * window.width;
      for (int j = 0; j < window.kernel_cols(); ++j) {
        const int col = column.image_col + j * window.dilation_cols();
        *target = window.has_row(row) && window.has_col(col) ? source[col] : real(0);
        target += row_stride;
      }
    }
  }
}

#ifdef KERNEL_ROWS

// Windows over one tile of stride x stride pixels, along an axis: element u + a * stride of the window a tiles before
// is on pixel u of the tile.
constexpr int TILE_WINDOWS_ROWS = (KERNEL_ROWS + STRIDE_ROWS - 1) / STRIDE_ROWS;
constexpr int TILE_WINDOWS_COLS = (KERNEL_COLS + STRIDE_COLS - 1) / STRIDE_COLS;

__device__ inline int first_tile(int padding, int stride) { return padding / stride; }
__device__ inline int tiles(int size, int padding, int stride) {
  return (size - 1 + padding) / stride - padding / stride + 1;
}

// Tiles are counted in the padded image, where windows start on them.
__device__ inline void gather_tile(const real* __restrict__ columns, real* __restrict__ x, int tile_row, int tile_col,
                                   const Window& window, index_t row_stride) {
#pragma unroll
  for (int u = 0; u < STRIDE_ROWS; ++u) {
#pragma unroll
    for (int v = 0; v < STRIDE_COLS; ++v) {
      accumulator sum = 0;
#pragma unroll
      for (int a = 0; a < TILE_WINDOWS_ROWS; ++a) {
#pragma unroll
        for (int b = 0; b < TILE_WINDOWS_COLS; ++b) {
          const int i = u + a * STRIDE_ROWS, j = v + b * STRIDE_COLS;
          const int out_row = tile_row - a, out_col = tile_col - b;
          if (i < KERNEL_ROWS && j < KERNEL_COLS && out_row >= 0 && out_row < window.out_height && out_col >= 0 &&
              out_col < window.out_width) {
            const index_t place = static_cast<index_t>(out_row) * window.out_width + out_col;
            sum += accumulator(columns[(i * KERNEL_COLS + j) * row_stride + place]);
          }
        }
      }
      const int row = tile_row * STRIDE_ROWS + u - window.top, col = tile_col * STRIDE_COLS + v - window.left;
      if (window.has_row(row) && window.has_col(col)) x[static_cast<index_t>(row) * window.width + col] = real(sum);
    }
  }
}

extern "C" __global__ void col2im(const real* __restrict__ columns, real* __restrict__ x, index_t images,
                                  int channels, Window window, index_t image_stride, index_t row_stride) {
  const int tile_rows = tiles(window.height, window.top, STRIDE_ROWS);
  const int tile_cols = tiles(window.width, window.left, STRIDE_COLS);
  const index_t size = images * channels * tile_rows * tile_cols;
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    index_t rest = index;
    const int tile_col = first_tile(window.left, STRIDE_COLS) + pop_coordinate(rest, tile_cols);
    const int tile_row = first_tile(window.top, STRIDE_ROWS) + pop_coordinate(rest, tile_rows);
    real* plane = x + rest * window.image_size();
    const int channel = pop_coordinate(rest, channels);
    const real* column = columns + rest * image_stride + static_cast<index_t>(channel) * window.area() * row_stride;
    gather_tile(column, plane, tile_row, tile_col, window, row_stride);
  }
}

#else

extern "C" __global__ void col2im(const real* __restrict__ columns, real* __restrict__ x, index_t images,
                                  int channels, Window window, index_t image_stride, index_t row_stride) {
  const index_t size = images * channels * window.image_size();
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    index_t rest = index;
    const int col = pop_coordinate(rest, window.width);
    const int row = pop_coordinate(rest, window.height);
    const int channel = pop_coordinate(rest, channels);
    const index_t first_element = static_cast<index_t>(channel) * window.area();
    const real* element_row = columns + rest * image_stride + first_element * row_stride;
    const index_t next_row = window.kernel_cols() * row_stride;
    accumulator sum = 0;
    WindowsOver over_row = windows_over_row(window, row);
    for (int i = 0; i < window.kernel_rows(); ++i, over_row.advance(), element_row += next_row) {
      if (!over_row.is_window(window.out_height)) continue;
      const real* element = element_row + static_cast<index_t>(over_row.out) * window.out_width;
      WindowsOver over_col = windows_over_col(window, col);
      for (int j = 0; j < window.kernel_cols(); ++j, over_col.advance(), element += row_stride) {
        if (over_col.is_window(window.out_width)) sum += accumulator(element[over_col.out]);
      }
    }
    x[index] = real(sum);
  }
}

#endif

extern "C" __global__ void col2im_atomic(const real* __restrict__ columns, real* __restrict__ x, index_t images,
                                         int channels, Window window, index_t image_stride, index_t row_stride) {
  const index_t size = images * channels * window.out_size();
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    const Column column = column_of(index, channels, window, image_stride, row_stride);
    const real* source = columns + column.start;
    for (int i = 0; i < window.kernel_rows(); ++i) {
      const int row = column.image_row + i * window.dilation_rows();
      real* target = x + column.plane + static_cast<index_t>(row) * window.width;
      for (int j = 0; j < window.kernel_cols(); ++j) {
        const int col = column.image_col + j * window.dilation_cols();
        if (window.has_row(row) && window.has_col(col)) atomicAdd(target + col, *source);
        source += row_stride;
      }
    }
  }
}
