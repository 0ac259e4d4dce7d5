// Convolution (cross-correlation) over NCHW images without columns, for filters (F, C / groups, kh, kw).
//   conv2d                   one thread per output element; sums over its window in the order c, i, j.
//   conv2d_backward_input    one thread per input element; a gather over the filters and windows that saw it, in the
//                            order f, i, j: no atomics, no clearing.
//   conv2d_backward_weight   blocks of threads per weight; each sums the products of its share of the outputs, threads
//                            in a fixed order, into `partials`.
//   sum_partials             one thread per weight; adds the shares in their order.
//   depthwise, depthwise_backward_input, depthwise_backward_weight
//                            the same where each channel has filters of its own (C / groups = 1): there is no sum over
//                            channels. With a window known at compile time the loops over it unroll, and the weight
//                            gradient is found for all elements of a filter in one pass over the images.
//   place_product, filters_first, add_bias
//                            between the layout of images and that of column products, which cuBLAS computes.
// With `relu` what a forward kernel writes is the larger of its result and 0; NaN stays NaN.
// Neighbouring threads work on neighbouring columns of an image, so that at stride 1 their loads and stores are of
// neighbouring addresses. Padding counts as 0 and is skipped: 0 times infinity does not arise. NaN and infinity reach
// what they touch. Every result is the same bits from run to run; another block size may sum weights in another order.

// Sizes of one convolution; channels and filters are those of all groups.
struct Convolution {
  index_t images;
  int channels, filters, groups;

  __device__ int group_channels() const { return channels / groups; }
  __device__ int group_filters() const { return filters / groups; }
};

// ------------------------------------------------------------------------------------------------------------- forward

extern "C" __global__ void conv2d(const real* __restrict__ x, const real* __restrict__ weight,
                                  const real* __restrict__ bias, real* __restrict__ y, Convolution sizes,
                                  Window window, bool relu) {
  const int group_channels = sizes.group_channels(), group_filters = sizes.group_filters();
  const index_t size = sizes.images * sizes.filters * window.out_size();
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    index_t image = index;
    const int first_col = window.first_col(pop_coordinate(image, window.out_width));
    const int first_row = window.first_row(pop_coordinate(image, window.out_height));
    const int filter = pop_coordinate(image, sizes.filters);
    const int first_channel = filter / group_filters * group_channels;
    const real* plane = x + (image * sizes.channels + first_channel) * window.image_size();
    const real* element = weight + static_cast<index_t>(filter) * group_channels * window.area();
    accumulator sum = 0;
    for (int channel = 0; channel < group_channels; ++channel, plane += window.image_size()) {
      for (int i = 0; i < window.kernel_rows(); ++i, element += window.kernel_cols()) {
        const int row = first_row + i * window.dilation_rows();
        if (!window.has_row(row)) continue;
        const real* pixels = plane + static_cast<index_t>(row) * window.width;
        for (int j = 0; j < window.kernel_cols(); ++j) {
          const int col = first_col + j * window.dilation_cols();
          if (window.has_col(col)) sum += accumulator(pixels[col]) * accumulator(element[j]);
        }
      }
    }
    if (bias) sum += accumulator(bias[filter]);
    y[index] = relu ? rectified(real(sum)) : real(sum);
  }
}

extern "C" __global__ void depthwise(const real* __restrict__ x, const real* __restrict__ weight,
                                     const real* __restrict__ bias, real* __restrict__ y, Convolution sizes,
                                     Window window, bool relu) {
  const int group_filters = sizes.group_filters();
  const index_t size = sizes.images * sizes.filters * window.out_size();
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    index_t image = index;
    const int first_col = window.first_col(pop_coordinate(image, window.out_width));
    const int first_row = window.first_row(pop_coordinate(image, window.out_height));
    const int filter = pop_coordinate(image, sizes.filters);
    const real* plane = x + (image * sizes.channels + filter / group_filters) * window.image_size();
    const real* element = weight + static_cast<index_t>(filter) * window.area();
    accumulator sum = 0;
#pragma unroll
    for (int i = 0; i < window.kernel_rows(); ++i) {
      const int row = first_row + i * window.dilation_rows();
      if (!window.has_row(row)) continue;
      const real* pixels = plane + static_cast<index_t>(row) * window.width;
#pragma unroll
      for (int j = 0; j < window.kernel_cols(); ++j) {
        const int col = first_col + j * window.dilation_cols();
        if (window.has_col(col)) {
          sum += accumulator(pixels[col]) * accumulator(element[i * window.kernel_cols() + j]);
        }
      }
    }
    if (bias) sum += accumulator(bias[filter]);
    y[index] = relu ? rectified(real(sum)) : real(sum);
  }
}

// ------------------------------------------------------------------------------------------------------ input gradient

// What the windows over pixel (row, col) send it: grad_y of one filter and image, times that filter's elements.
__device__ inline accumulator gather(const real* __restrict__ grad_y, const real* __restrict__ element, int row,
                                     int col, const Window& window) {
  accumulator sum = 0;
  WindowsOver over_row = windows_over_row(window, row);
#pragma unroll
  for (int i = 0; i < window.kernel_rows(); ++i, over_row.advance()) {
    if (!over_row.is_window(window.out_height)) continue;
    const real* grads = grad_y + static_cast<index_t>(over_row.out) * window.out_width;
    WindowsOver over_col = windows_over_col(window, col);
#pragma unroll
    for (int j = 0; j < window.kernel_cols(); ++j, over_col.advance()) {
      if (over_col.is_window(window.out_width)) {
        sum += accumulator(grads[over_col.out]) * accumulator(element[i * window.kernel_cols() + j]);
      }
    }
  }
  return sum;
}

extern "C" __global__ void conv2d_backward_input(const real* __restrict__ grad_y, const real* __restrict__ weight,
                                                 real* __restrict__ grad_x, Convolution sizes, Window window) {
  const int group_channels = sizes.group_channels(), group_filters = sizes.group_filters();
  const index_t filter_size = static_cast<index_t>(group_channels) * window.area();
  const index_t size = sizes.images * sizes.channels * window.image_size();
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    index_t image = index;
    const int col = pop_coordinate(image, window.width);
    const int row = pop_coordinate(image, window.height);
    const int channel = pop_coordinate(image, sizes.channels);
    const int group = channel / group_channels;
    const int first_filter = group * group_filters;
    const real* grads = grad_y + (image * sizes.filters + first_filter) * window.out_size();
    const real* element = weight + first_filter * filter_size +
                          static_cast<index_t>(channel - group * group_channels) * window.area();
    accumulator sum = 0;
    for (int filter = 0; filter < group_filters; ++filter, grads += window.out_size(), element += filter_size) {
      sum += gather(grads, element, row, col, window);
    }
    grad_x[index] = real(sum);
  }
}

extern "C" __global__ void depthwise_backward_input(const real* __restrict__ grad_y, const real* __restrict__ weight,
                                                    real* __restrict__ grad_x, Convolution sizes, Window window) {
  const int group_filters = sizes.group_filters();
  const index_t size = sizes.images * sizes.channels * window.image_size();
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    index_t image = index;
    const int col = pop_coordinate(image, window.width);
    const int row = pop_coordinate(image, window.height);
    const int first_filter = pop_coordinate(image, sizes.channels) * group_filters;
    const real* grads = grad_y + (image * sizes.filters + first_filter) * window.out_size();
    const real* element = weight + static_cast<index_t>(first_filter) * window.area();
    accumulator sum = 0;
    for (int filter = 0; filter < group_filters; ++filter, grads += window.out_size(), element += window.area()) {
      sum += gather(grads, element, row, col, window);
    }
    grad_x[index] = real(sum);
  }
}

// ----------------------------------------------------------------------------------------------------- weight gradient

// One output position of one filter, and the step by which a thread walks over all of them. A step is three additions
// with carries; a division for each would cost more than the product it leads to.
struct OutputWalk {
  index_t image, image_step;
  int row, col, row_step, col_step;

  __device__ OutputWalk(index_t start, index_t step, const Window& window) : image(start), image_step(step) {
    col = pop_coordinate(image, window.out_width);
    row = pop_coordinate(image, window.out_height);
    col_step = pop_coordinate(image_step, window.out_width);
    row_step = pop_coordinate(image_step, window.out_height);
  }
  __device__ void advance(const Window& window) {
    col += col_step;
    row += row_step;
    image += image_step;
    if (col >= window.out_width) {
      col -= window.out_width;
      ++row;
    }
    if (row >= window.out_height) {
      row -= window.out_height;
      ++image;
    }
  }
};

// First output position of a share, when `size` of them are dealt to `shares` blocks as evenly as whole numbers allow.
__device__ inline index_t share_start(index_t size, int share, int shares) {
  const index_t whole = size / shares, rest = size - whole * shares;
  return share * whole + (share < rest ? share : rest);
}

extern "C" __global__ void conv2d_backward_weight(const real* __restrict__ grad_y, const real* __restrict__ x,
                                                  accumulator* __restrict__ partials, Convolution sizes, Window window,
                                                  int shares) {
  __shared__ accumulator scratch[MAXIMUM_WARPS];
  const int group_channels = sizes.group_channels(), group_filters = sizes.group_filters();
  const index_t weights = static_cast<index_t>(sizes.filters) * group_channels * window.area();
  const index_t outputs = sizes.images * window.out_size();
  for (index_t block = blockIdx.x; block < shares * weights; block += gridDim.x) {
    const int share = static_cast<int>(block / weights);
    index_t rest = block - share * weights;
    const int j = pop_coordinate(rest, window.kernel_cols());
    const int i = pop_coordinate(rest, window.kernel_rows());
    const int group_channel = pop_coordinate(rest, group_channels);
    const int filter = static_cast<int>(rest);
    const int channel = filter / group_filters * group_channels + group_channel;
    const index_t end = share_start(outputs, share + 1, shares);
    index_t output = share_start(outputs, share, shares) + threadIdx.x;
    accumulator sum = 0;
    for (OutputWalk at(output, blockDim.x, window); output < end; output += blockDim.x, at.advance(window)) {
      const int row = window.first_row(at.row) + i * window.dilation_rows();
      const int col = window.first_col(at.col) + j * window.dilation_cols();
      if (!window.has_row(row) || !window.has_col(col)) continue;
      const index_t grad_row = (at.image * sizes.filters + filter) * window.out_height + at.row;
      const index_t pixel_row = (at.image * sizes.channels + channel) * window.height + row;
      sum += accumulator(grad_y[grad_row * window.out_width + at.col]) * accumulator(x[pixel_row * window.width + col]);
    }
    const accumulator total = block_sum(sum, scratch);
    if (threadIdx.x == 0) partials[block] = total;
  }
}

// How many elements of a filter a thread sums at once: all, in registers, if the compiler knows their number.
#ifdef KERNEL_ROWS
constexpr int ELEMENTS_AT_ONCE = KERNEL_ROWS * KERNEL_COLS;
#else
constexpr int ELEMENTS_AT_ONCE = 1;
#endif

extern "C" __global__ void depthwise_backward_weight(const real* __restrict__ grad_y, const real* __restrict__ x,
                                                     accumulator* __restrict__ partials, Convolution sizes,
                                                     Window window, int shares) {
  __shared__ accumulator scratch[MAXIMUM_WARPS];
  const int group_filters = sizes.group_filters();
  const index_t outputs = sizes.images * window.out_size();
  for (index_t block = blockIdx.x; block < static_cast<index_t>(shares) * sizes.filters; block += gridDim.x) {
    const int share = static_cast<int>(block / sizes.filters);
    const int filter = static_cast<int>(block - static_cast<index_t>(share) * sizes.filters);
    const index_t end = share_start(outputs, share + 1, shares);
    const index_t start = share_start(outputs, share, shares) + threadIdx.x;
    for (int first = 0; first < window.area(); first += ELEMENTS_AT_ONCE) {
      accumulator sums[ELEMENTS_AT_ONCE] = {};
      OutputWalk at(start, blockDim.x, window);
      for (index_t output = start; output < end; output += blockDim.x, at.advance(window)) {
        const accumulator grad =
            grad_y[((at.image * sizes.filters + filter) * window.out_height + at.row) * window.out_width + at.col];
        const real* plane = x + (at.image * sizes.channels + filter / group_filters) * window.image_size();
#pragma unroll
        for (int e = 0; e < ELEMENTS_AT_ONCE; ++e) {
          const int i = (first + e) / window.kernel_cols(), j = (first + e) - i * window.kernel_cols();
          const int row = window.first_row(at.row) + i * window.dilation_rows();
          const int col = window.first_col(at.col) + j * window.dilation_cols();
          if (window.has_row(row) && window.has_col(col)) {
            sums[e] += grad * accumulator(plane[static_cast<index_t>(row) * window.width + col]);
          }
        }
      }
#pragma unroll
      for (int e = 0; e < ELEMENTS_AT_ONCE; ++e) {
        const accumulator total = block_sum(sums[e], scratch);
        if (threadIdx.x == 0) partials[block * window.area() + first + e] = total;
      }
    }
  }
}

extern "C" __global__ void sum_partials(const accumulator* __restrict__ partials, real* __restrict__ grad_weight,
                                        index_t weights, int shares) {
  for (index_t index = global_thread(); index < weights; index += total_threads()) {
    accumulator sum = 0;
    for (int share = 0; share < shares; ++share) sum += partials[share * weights + index];
    grad_weight[index] = real(sum);
  }
}

// --------------------------------------------------------------------------------- between images and column products

// Put the product of a chunk's columns, (F, images * places), into its images, (images, F, places), with the bias.
// One thread per element.
extern "C" __global__ void place_product(const real* __restrict__ product, const real* __restrict__ bias,
                                         real* __restrict__ y, index_t images, int filters, index_t places,
                                         bool relu) {
  const index_t size = images * filters * places;
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    index_t image = index;
    const index_t place = pop_coordinate(image, places);
    const int filter = pop_coordinate(image, filters);
    const accumulator product_value = product[(filter * images + image) * places + place];
    const real value = real(bias ? product_value + accumulator(bias[filter]) : product_value);
    y[index] = relu ? rectified(value) : value;
  }
}

// The reverse: (images, F, places) as one matrix (F, images * places).
extern "C" __global__ void filters_first(const real* __restrict__ y, real* __restrict__ matrix, index_t images,
                                         int filters, index_t places) {
  const index_t size = images * filters * places;
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    index_t filter = index;
    const index_t place = pop_coordinate(filter, places);
    const index_t image = pop_coordinate(filter, images);
    matrix[index] = y[(image * filters + filter) * places + place];
  }
}

// Add each filter's bias to its images and rectify them if asked, in place; one thread per element.
extern "C" __global__ void add_bias(real* __restrict__ y, const real* __restrict__ bias, index_t images, int filters,
                                    index_t places, bool relu) {
  const index_t size = images * filters * places;
  for (index_t index = global_thread(); index < size; index += total_threads()) {
    real value = y[index];
    if (bias) {
      index_t image = index;
      pop_coordinate(image, places);
      value = real(accumulator(value) + accumulator(bias[pop_coordinate(image, filters)]));
    }
    y[index] = relu ? rectified(value) : value;
  }
}
