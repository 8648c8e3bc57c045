// SPDX-License-Identifier: MIT
//
// operator new for aligned memory. It keeps large blocks for the next request of the same size, so that every
// implementation measured gets its state in the same pages as the ones before. The place in physical memory can change
// the speed by a third, and fresh pages cost more than a step.
#include <cstddef>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>

namespace {

class Blocks {
  static constexpr std::size_t large = 1 << 20;

 public:
  void* allocate(std::size_t size, std::size_t alignment) {
    const std::lock_guard lock(mutex_);
    const auto kept = kept_.find(size);
    void* block = nullptr;
    if (kept != kept_.end()) {
      block = kept->second;
      kept_.erase(kept);
    } else {
      block = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
      if (block == nullptr) throw std::bad_alloc();
    }
    if (size >= large) in_use_[block] = size;
    return block;
  }

  void free(void* block) {
    const std::lock_guard lock(mutex_);
    const auto used = in_use_.find(block);
    if (used == in_use_.end()) return std::free(block);
    kept_.emplace(used->second, block);
    in_use_.erase(used);
  }

 private:
  std::mutex mutex_;
  std::multimap<std::size_t, void*> kept_;
  std::map<void*, std::size_t> in_use_;
};

Blocks& blocks() {
  static Blocks& immortal = *new Blocks;
  return immortal;
}

}  // namespace

void* operator new(std::size_t size, std::align_val_t alignment) {
  return blocks().allocate(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* block, std::align_val_t) noexcept { blocks().free(block); }

void operator delete(void* block, std::size_t, std::align_val_t) noexcept { blocks().free(block); }
