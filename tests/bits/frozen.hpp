// SPDX-License-Identifier: MIT
//
// The hashes that `bits --print` prints. They change only where a formula, a coefficient or the order
// of operations changes, and then the stored run of every user changes with them.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

struct Frozen {
  std::string_view name;
  std::uint64_t hash;
};

inline constexpr auto frozen = std::to_array<Frozen>({
    {"SGD, float", 0xb8bcbfd629d2a9de},
    {"SGD, float, long", 0x73e76b6747f2636a},
    {"Momentum velocity, float", 0xc0e2eedf2887769f},
    {"Momentum velocity, float, long", 0xfe3f047570b8352f},
    {"Momentum accumulated, float", 0xaf32424e40f560c8},
    {"Momentum accumulated, float, long", 0x272ae404f5600f72},
    {"Momentum averaged, float", 0xce74de18eca47f44},
    {"Momentum averaged, float, long", 0x8622c1beb63494e8},
    {"Nesterov lookahead, float", 0xc0e2eedf2887769f},
    {"Nesterov lookahead, float, long", 0xfe3f047570b8352f},
    {"Nesterov parameters, float", 0xc343dd86dfd36768},
    {"Nesterov parameters, float, long", 0x03d2451c91f8fff8},
    {"AdaGrad outside, float", 0x16598a18d8a4dbaf},
    {"AdaGrad outside, float, long", 0x03486a9bbf1d4794},
    {"AdaGrad inside, float", 0xfe093fdf7f953638},
    {"AdaGrad inside, float, long", 0x64775480b8f73d19},
    {"AdaGrad from 0.1, float", 0xcf9219fdc2b7f0a6},
    {"AdaGrad from 0.1, float, long", 0xdc18cb3f1958f43b},
    {"RMSProp outside, float", 0x3a63ce4de68799f6},
    {"RMSProp outside, float, long", 0xb9f1e34df52a923f},
    {"RMSProp inside, float", 0x27c46ae9d390f12d},
    {"RMSProp inside, float, long", 0xaf0e74d37fe56384},
    {"AdaDelta, float", 0x465c4ef9574fe472},
    {"AdaDelta, float, long", 0x87522ed262a096fe},
    {"Adam outside, float", 0x106974992a7e079e},
    {"Adam outside, float, long", 0x36e2b7139297cbbd},
    {"Adam inside, float", 0x174f7f7065c2110b},
    {"Adam inside, float, long", 0x1c19d9f4ae2fd28c},
    {"Adam hat, float", 0xcce28ed355918939},
    {"Adam hat, float, long", 0x6178bd87e5efa3d4},
    {"Adam outside uncorrected, float", 0x45c54852d88e1b68},
    {"Adam outside uncorrected, float, long", 0x954f9b8cef4ecb0d},
    {"Adam inside uncorrected, float", 0xd9635e626376ab62},
    {"Adam inside uncorrected, float, long", 0xa83dae0089cf7247},
    {"Adam hat uncorrected, float", 0x45c54852d88e1b68},
    {"Adam hat uncorrected, float, long", 0x954f9b8cef4ecb0d},
    {"SGD, double", 0xdfac138c2e451913},
    {"SGD, double, long", 0x9c72af95fad3cab1},
    {"Momentum velocity, double", 0x499bc2321edfc6f9},
    {"Momentum velocity, double, long", 0xccaf64ecacb58170},
    {"Momentum accumulated, double", 0x5b47297787661e7c},
    {"Momentum accumulated, double, long", 0x4b37dd71db4a0b5d},
    {"Momentum averaged, double", 0xf58189135f6bd259},
    {"Momentum averaged, double, long", 0xcf6f01c256a7eefa},
    {"Nesterov lookahead, double", 0x499bc2321edfc6f9},
    {"Nesterov lookahead, double, long", 0xccaf64ecacb58170},
    {"Nesterov parameters, double", 0x71fd90cf9bb6d39d},
    {"Nesterov parameters, double, long", 0x67bc63e13960df4f},
    {"AdaGrad outside, double", 0x09850537083ad7fc},
    {"AdaGrad outside, double, long", 0x5618aab99d1410a7},
    {"AdaGrad inside, double", 0x7f5525826024e720},
    {"AdaGrad inside, double, long", 0xb417bcb95dd2041d},
    {"AdaGrad from 0.1, double", 0x3a9819f15479c4dc},
    {"AdaGrad from 0.1, double, long", 0xe94fa2883d7c5821},
    {"RMSProp outside, double", 0x269042174219b301},
    {"RMSProp outside, double, long", 0x4b11eee8f49ef8c0},
    {"RMSProp inside, double", 0x2b5c7376d409e208},
    {"RMSProp inside, double, long", 0x910d40a733ae5b57},
    {"AdaDelta, double", 0x019b4d6461a83ff7},
    {"AdaDelta, double, long", 0xbb73e2671798dad4},
    {"Adam outside, double", 0x0d01e816b73dfa4f},
    {"Adam outside, double, long", 0x675457f88eb14f62},
    {"Adam inside, double", 0x9061f758a62d7f71},
    {"Adam inside, double, long", 0x9aa7f090d15aa338},
    {"Adam hat, double", 0x147d2bad4fa9f13a},
    {"Adam hat, double, long", 0x1f2d919e7fcb6a2f},
    {"Adam outside uncorrected, double", 0xe57d1daea89694bc},
    {"Adam outside uncorrected, double, long", 0x5a82562197b474d5},
    {"Adam inside uncorrected, double", 0xa9eba2d6883f93e1},
    {"Adam inside uncorrected, double, long", 0xe653097f45c691d0},
    {"Adam hat uncorrected, double", 0xe57d1daea89694bc},
    {"Adam hat uncorrected, double, long", 0x5a82562197b474d5},
});
