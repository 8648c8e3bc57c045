#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Changes one thing at a time in the rules and the sweep, and expects some test to fail.

    python3 tests/mutation/mutate.py              every mutant, for each file of FILES
    python3 tests/mutation/mutate.py --every 10   every tenth of them, always the same ones
    python3 tests/mutation/mutate.py rules/adam.hpp   those of one file
    python3 tests/mutation/mutate.py --list       prints the mutants and runs nothing

A mutant is built, unoptimized, into the programs that its file names in FILES, one after another until
one fails, starting with those that compile fastest. What does not compile counts as killed. The status is 1 if
a mutant survives that equivalent.txt does not explain, or if a line of equivalent.txt no longer fits any
mutant. The sources stay unchanged: a mutated header is put in a directory of its own, first on the include
path. $CXX is the compiler, by default clang++, which is faster than g++ here.
"""

import argparse
import collections
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TESTS, INCLUDE = HERE.parent, HERE.parent.parent / "include"

# What is replaced by what: words, then regular expressions. A binary operator has spaces around it, as clang-format
# leaves it; template brackets, pointers and references do not.
END = r"(?![\w.'])"  # of a number
WORDS = """
    nonnegative positive
    positive nonnegative
    unit_interval below_one
    below_one unit_interval
    EpsilonPlacement::outside EpsilonPlacement::inside
    EpsilonPlacement::inside EpsilonPlacement::outside
    EpsilonPlacement::hat EpsilonPlacement::outside
    MomentumForm::velocity MomentumForm::accumulated
    MomentumForm::accumulated MomentumForm::averaged
    MomentumForm::averaged MomentumForm::velocity
    GradientAt::lookahead GradientAt::parameters
    GradientAt::parameters GradientAt::lookahead
    min max
    max min
    true false
    false true
"""
OPERATORS = "+ - * / < <= > >= == != && || += -=".split()
REPLACEMENTS = [
    *((rf"(?<=\s){re.escape(a)}(?=\s)", b) for a, b in zip(OPERATORS[0::2], OPERATORS[1::2])),
    *((rf"(?<=\s){re.escape(b)}(?=\s)", a) for a, b in zip(OPERATORS[0::2], OPERATORS[1::2])),
    *((rf"\b{a}\b(?!::)", b) for a, b in (line.split() for line in WORDS.strip().splitlines())),
    (r"<outside>", "<inside>"),
    (r"<inside>", "<outside>"),
    (r"\b1 - (?=[a-z])", ""),
    (rf"(?<![\w.'])0{END}", "1"),
    (rf"(?<![\w.'])1{END}", "0"),
    (rf"(?<![\w.'])(?![01]{END})(?:0x[\da-f]+(?:p[+-]?\d+)?|\d[\d']*(?:\.\d+)?(?:e[+-]?\d+)?){END}", r"(\g<0> / 2)"),
    (r"\? (.+?) : ((?:[^(),;]|\([^()]*\))+)", r"? \2 : \1"),
    (r"(?m)^ +(?:[\w.\[\]]+ [-+]?= |[\w.:<>]+\()[^;{}]*;$", ""),  # leaves a statement out
]

# What computes nothing: comments, strings, preprocessor lines, attributes, templates, concepts, and the lists that
# describe a rule. Also assembly, which each CPU reads in its own form, and what only a program for AVX-512 compiles:
# bits/matrix.sh runs all of them, the last where the CPU has it.
PASSED_OVER = [
    r"//[^\n]*",
    r"if constexpr \(sizeof\(Scalar\) (?:== [48]|<= sizeof\(double\))\)\s+asm[^;]*;",
    r"^#(?:el)?if DESCENT_PACK_BYTES == 64\n(?:(?!#)[^\n]*\n)*",
    r'"(?:\\.|[^"\\\n])*"',
    r"^ *#(?:[^\n]*\\\n)*[^\n]*",
    r"\[\[[^\]]*\]\]",
    r"__attribute__\(\([^)]*\)+",
    r"\btemplate <[^\n]*>$",
    r"^concept (?:[^\n]+\n)*",  # up to an empty line; compile_fail tests them
    r"\brequires\b[^\n]*",
    r"\bstatic_assert\([^;]*;",
    r"\bstatic constexpr\b[^;]*;",
    r"\b(?:using|enum|namespace)\b[^\n]*",
    r"\bstd::(?:variant|array)<[^()]*?>(?=[\s{])",
]


@dataclasses.dataclass
class File:
    programs: list  # may kill its mutants
    rules: str = ""  # bits_of.cpp runs their variants
    part: str = r"(?s).*"  # the part of it to mutate
    is_rule: bool = True  # then optimizer.hpp is precompiled


OF_RULES = ["bits_of", "bad_input", "formulas", "bitten", "compose", "properties"]
OF_NEWER = ["bits_of", "newer_rules", "bad_input", "formulas", "nonfinite", "properties"]
OF_CHAINS = ["compose", "links"]
OF_SWEEP = ["bits_of", "sweep", "sweep_openmp", "properties"]
FILES = {
    "rules/sgd.hpp": File(OF_RULES, "rules::SGD"),
    "rules/momentum.hpp": File(OF_RULES, "rules::Momentum"),
    "rules/nesterov.hpp": File(OF_RULES, "rules::Nesterov"),
    "rules/adagrad.hpp": File(OF_RULES, "rules::AdaGrad"),
    "rules/rmsprop.hpp": File(OF_RULES, "rules::RMSProp"),
    "rules/centered_rmsprop.hpp": File(OF_RULES, "rules::CenteredRMSProp"),
    "rules/adadelta.hpp": File(OF_RULES + ["nonfinite"], "rules::AdaDelta"),
    "rules/adam.hpp": File(OF_RULES + ["nonfinite"], "rules::Adam"),
    "rules/epsilon.hpp": File(OF_RULES, "rules::RMSProp,rules::AdamW"),
    "rules/adamw.hpp": File(OF_NEWER, "rules::AdamW"),
    "rules/amsgrad.hpp": File(OF_NEWER, "rules::AMSGrad"),
    "rules/nadam.hpp": File(OF_NEWER, "rules::NAdam"),
    "rules/radam.hpp": File(OF_NEWER, "rules::RAdam"),
    "rules/adamax.hpp": File(OF_NEWER, "rules::AdaMax"),
    "rules/adabelief.hpp": File(OF_NEWER, "rules::AdaBelief"),
    "rules/yogi.hpp": File(OF_NEWER, "rules::Yogi"),
    "rules/adan.hpp": File(OF_NEWER, "rules::Adan"),
    "rules/lion.hpp": File(OF_NEWER, "rules::Lion"),
    "rules/rprop.hpp": File(OF_NEWER, "rules::Rprop"),
    "rules/ftrl.hpp": File(OF_NEWER, "rules::Ftrl"),
    "rules/schedule_free.hpp": File(OF_NEWER, "rules::ScheduleFreeSGD,rules::ScheduleFreeAdamW"),
    "rules/schedule_free_sgd.hpp": File(OF_NEWER, "rules::ScheduleFreeSGD"),
    "rules/schedule_free_adamw.hpp": File(OF_NEWER, "rules::ScheduleFreeAdamW"),
    "rules/adafactor.hpp": File(["adafactor"], is_rule=False),
    "factored_step.hpp": File(["adafactor"], is_rule=False),
    "transforms/gradient.hpp": File(OF_CHAINS, is_rule=False),
    "transforms/step.hpp": File(OF_CHAINS, is_rule=False),
    "transforms/parameters.hpp": File(OF_CHAINS, is_rule=False),
    "rule.hpp": File(["bits_of", "formulas"], "rules::Adam", r"(?s)struct StepCounter.*?\n};", False),
    "schedules.hpp": File(["schedules"], is_rule=False),
    "training/reduce_on_plateau.hpp": File(["reduce_on_plateau"], is_rule=False),
    "training/gradient_accumulator.hpp": File(["gradient_accumulator"], is_rule=False),
    "kernel/mean.hpp": File(["gradient_accumulator"], is_rule=False),
    "strided.hpp": File(["arguments"], "rules::SGD", is_rule=False),
    "kernel/sweep.hpp": File(OF_SWEEP, "rules::Momentum", is_rule=False),
    "kernel/pack.inc": File(["bits_of", "pack"], "rules::CenteredRMSProp,rules::Adam", is_rule=False),
}
SOURCES = {"bits_of": "mutation/bits_of.cpp", "sweep_openmp": "sweep.cpp"}  # else NAME.cpp


@dataclasses.dataclass(frozen=True)
class Mutant:
    file: str
    line: int
    old: str
    new: str
    text: str = dataclasses.field(repr=False)  # the whole header

    def __str__(self):
        return f"{self.file}:{self.line}\n- {self.old}\n+ {self.new}"

    def key(self):
        return self.file, self.old, self.new


def groups(code):
    """What is between each pair of ( ) or { }, as a list of the spans between its commas."""
    stack = []
    for at, c in enumerate(code):
        opens_template = c == "<" and re.match(r"\w<\S", code[at - 1:at + 2])
        if c in "({[" or opens_template:
            stack.append((c, [at + 1]))
        elif c == "," and stack:
            stack[-1][1].append(at + 1)
        elif (c in ")}]" or c == ">" and code[at - 1] not in " -") and stack and (c == ">") == (stack[-1][0] == "<"):
            opened, starts = stack.pop()
            if opened in "({":
                yield [(a, b - 1) for a, b in zip(starts, starts[1:] + [at + 1])]


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def edits(text, part):
    """(begin, end, replacement) of every mutation."""
    code = text  # of the same length, with spaces for what is skipped
    for pattern in PASSED_OVER:
        code = re.sub(pattern, lambda match: blank(match[0]), code, flags=re.MULTILINE)
    begin, end = re.search(part, text).span()
    code = blank(code[:begin]) + code[begin:end] + blank(code[end:])

    for pattern, replacement in REPLACEMENTS:
        for match in re.finditer(pattern, code):
            yield *match.span(), match.expand(replacement)
    for match in re.finditer(r"\bif (?:constexpr )?(?=\()", code):
        end = match.end() + next(spans[-1][1] for spans in groups(code[match.end():]) if spans[0][0] == 1) + 1
        if not re.search(" [!=]= ", code[match.end():end]):  # those are replaced already
            yield match.end(), end, f"(!{text[match.end():end]})"
    for spans in groups(code):
        if ";" in code[spans[0][0]:spans[-1][1]]:
            continue  # no arguments, but a body
        if code[:spans[0][0]].endswith("rounded_product("):
            continue  # has no order
        for (a, b), (c, d) in zip(spans, spans[1:]):
            first, second = code[a:b].strip(), code[c:d].strip()
            declares = any(re.search(r"[\w>&*.] \w+$|[&*]$", argument) for argument in (first, second))
            if first and second and first != second and not declares and '"' not in text[a:d]:
                a, c = a + code[a:b].index(first), c + code[c:d].index(second)
                b, d = a + len(first), c + len(second)
                yield a, d, text[c:d] + text[b:c] + text[a:b]
    for match in re.finditer(r"(?m)^ +((\w+) = [^;{}]*;)(\s+)([^;{}]*\b\2\b[^;{}]*;)$", code):  # two statements
        yield *match.span(), text[match.start(4):match.end(4)] + match[3] + text[match.start(1):match.end(1)]


def mutants_of(name, file):
    text = (INCLUDE / "descent" / name).read_text()
    found = {}
    for begin, end, replacement in edits(text, file.part):
        first, last = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
        old, new = text[first:last], text[first:begin] + replacement + text[end:last]
        mutant = Mutant(name, text.count("\n", 0, begin) + 1, " ".join(old.split()), " ".join(new.split()),
                        text[:begin] + replacement + text[end:])
        found.setdefault(mutant.text, mutant)
    return sorted(found.values(), key=lambda mutant: mutant.line)


def equivalents():
    """{key: reason} of equivalent.txt: blocks of a file, pairs of lines - and +, and a reason."""
    known = {}
    text = re.sub(r"(?m)^#.*\n", "", (HERE / "equivalent.txt").read_text()).strip()
    for file, *lines in (block.splitlines() for block in re.split(r"\n\n+", text) if block):
        reason = " ".join(line for line in lines if line[:2] not in ("- ", "+ "))
        for old, new in zip(lines, lines[1:]):
            if old.startswith("- ") and new.startswith("+"):
                known[file, old[2:], new[2:]] = reason
    return known


class Builder:
    def __init__(self, work):
        self.work = work
        # Copies: files edited meanwhile would not fit the precompiled headers, or each other.
        self.include = shutil.copytree(INCLUDE, work / "include")
        self.tests = shutil.copytree(TESTS, work / "tests")
        self.compiler = os.environ.get("CXX") or shutil.which("clang++") or "g++"
        eigen = subprocess.check_output(["pkg-config", "--cflags", "eigen3"], text=True).replace("-I", "-isystem")
        self.flags = ["-std=c++20", "-O0", "-w", "-D_GLIBCXX_ASSERTIONS", *eigen.split(), f"-I{self.include}"]
        for name, includes in (("kernel", ""), ("rules", "#include <descent/optimizer.hpp>\n")):
            header = work / f"{name}.hpp"
            header.write_text(f'#include "{self.tests}/catch.hpp"\n#include <Eigen/Core>\n{includes}')
            self.call([*self.flags, "-x", "c++-header", str(header), "-o", f"{header}.gch"])
        if subprocess.run(["pkg-config", "--exists", "catch2-with-main"]).returncode == 0:
            self.main = subprocess.check_output(["pkg-config", "--libs", "catch2-with-main"], text=True).split()
        else:
            self.main = [str(work / "main.o")]
            self.call([*self.flags, "-c", str(self.tests / "main.cpp"), "-o", *self.main])

    def call(self, arguments):
        subprocess.run([self.compiler, *arguments], check=True)

    def passes(self, program, file, overlay):
        """None if it does not compile."""
        source = self.tests / SOURCES.get(program, f"{program}.cpp")
        openmp = ["-fopenmp"] if program == "sweep_openmp" else []
        # The precompiled headers are without OpenMP.
        advance = [] if openmp else ["-include", str(self.work / ("rules.hpp" if file.is_rule else "kernel.hpp"))]
        built = overlay / program
        main = [] if program == "bits_of" else self.main
        command = [self.compiler, f"-I{overlay}", *self.flags, *openmp, *advance, f"-DDESCENT_RULES={file.rules}",
                   str(source), "-o", str(built), *main]
        if subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
            return None
        packs = ["wide"] if file.is_rule else ["wide", "baseline", "lanes"]
        try:
            return all(subprocess.run([built], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                                      env=os.environ | {"DESCENT_ISA": isa}).returncode == 0 for isa in packs)
        except subprocess.TimeoutExpired:
            return False
        finally:
            built.unlink()

    def passes_untouched(self, item):
        program, file = item
        with tempfile.TemporaryDirectory(dir=self.work) as overlay:
            return self.passes(program, file, pathlib.Path(overlay))

    def killer(self, mutant):
        """The program that kills it and whether it compiles with the mutant, or None."""
        file = FILES[mutant.file]
        # Only bad_input looks at ranges.
        programs = sorted(file.programs, key=lambda program: program != "bad_input" if "Hyperparameter" in mutant.old else 0)
        with tempfile.TemporaryDirectory(dir=self.work) as directory:
            overlay = pathlib.Path(directory)
            header = overlay / "descent" / mutant.file
            header.parent.mkdir(parents=True)
            header.write_text(mutant.text)
            for program in programs:
                passes = self.passes(program, file, overlay)
                if not passes:
                    return program, passes is not None
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="FILE", help="of " + ", ".join(FILES))
    parser.add_argument("--every", type=int, default=1, metavar="K", help="take each K-th mutant")
    parser.add_argument("--list", action="store_true", help="print the mutants and run nothing")
    given = parser.parse_args()
    if unknown := set(given.files) - set(FILES):
        parser.error(f"no such file: {', '.join(sorted(unknown))}; there are {', '.join(FILES)}")
    if given.every < 1:
        parser.error(f"--every {given.every}: it must be >= 1")

    known = equivalents()
    all_mutants = [mutant for name in FILES for mutant in mutants_of(name, FILES[name])]
    stale = set(known) - {mutant.key() for mutant in all_mutants}
    mutants = [m for m in all_mutants if not given.files or m.file in given.files][::given.every]
    if given.list:
        print(*mutants, sep="\n")
        return 0

    outcomes = collections.defaultdict(collections.Counter)
    survivors = []
    with tempfile.TemporaryDirectory() as directory, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        builder = Builder(pathlib.Path(directory))
        run = [m for m in mutants if m.key() not in known]
        killers = {}
        for mutant, killer in zip(run, pool.map(builder.killer, run)):
            file = FILES[mutant.file]
            if killer is None:
                outcomes[mutant.file]["nothing"] += 1
                survivors.append(mutant)
                print(f"SURVIVES {mutant}", flush=True)
            else:
                program, compiles = killer
                outcomes[mutant.file][program if compiles else "compiler"] += 1
                killers[program] = file
        # Each must pass while nothing is changed; otherwise its failure would mean nothing.
        for program, passes in zip(killers, pool.map(builder.passes_untouched, killers.items())):
            if not passes:
                sys.exit(f"{program} fails before anything is changed")

    for name, counts in outcomes.items():
        print(f"{name}: {sum(counts.values())} mutants, killed by " +
              ", ".join(f"{killer} {count}" for killer, count in counts.most_common()))
    for file, old, new in sorted(stale):
        print(f"equivalent.txt: no such mutant any more\n{file}\n- {old}\n+ {new}")
    print(f"{len(run)} mutants of {len(all_mutants)}"
          + (f", each {given.every}th" if given.every > 1 else "")
          + f": {sum(counts['compiler'] for counts in outcomes.values())} do not compile, {len(survivors)} survive; "
          f"{len(mutants) - len(run)} are equivalent and explained")
    return 1 if survivors or stale else 0


if __name__ == "__main__":
    sys.exit(main())
