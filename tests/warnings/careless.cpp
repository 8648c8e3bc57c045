// SPDX-License-Identifier: MIT
// A program that deserves a warning (-Wconversion).
int careless(double value) { return value; }
