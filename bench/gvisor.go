// Compile a policy with gVisor's pkg/seccomp, for bench/peers_engine.py.
//
// Standard input is a JSON object, standard output another: the program in hexadecimal and the seconds that each of
// the runs took.
package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"time"

	"gvisor.dev/gvisor/pkg/abi/linux"
	"gvisor.dev/gvisor/pkg/bpf"
	"gvisor.dev/gvisor/pkg/seccomp"
)

type test struct {
	Arg         int
	Mask, Value uint64
}

type set struct {
	Answer uint32
	Calls  map[uintptr][][]test // any of the lists holds, each of which is all of its tests
}

type request struct {
	Default, BadArch uint32
	Hot              []uintptr
	Runs             int
	Sets             []set
}

func rule(alternatives [][]test) seccomp.SyscallRule {
	var or seccomp.Or
	for _, tests := range alternatives {
		if len(tests) == 0 {
			return seccomp.MatchAll{}
		}
		var and seccomp.PerArg
		for index := range and {
			and[index] = seccomp.AnyValue{}
		}
		for _, t := range tests {
			if t.Mask == ^uint64(0) {
				and[t.Arg] = seccomp.EqualTo(t.Value)
			} else {
				and[t.Arg] = seccomp.MaskedEqual(uintptr(t.Mask), uintptr(t.Value))
			}
		}
		or = append(or, and)
	}
	return or
}

func build(asked request) ([]bpf.Instruction, error) {
	var sets []seccomp.RuleSet
	for _, s := range asked.Sets {
		rules := seccomp.NewSyscallRules()
		for nr, alternatives := range s.Calls {
			rules.Set(nr, rule(alternatives))
		}
		sets = append(sets, seccomp.RuleSet{Rules: rules, Action: linux.BPFAction(s.Answer)})
	}
	program, _, err := seccomp.BuildProgram(sets, seccomp.ProgramOptions{
		DefaultAction: linux.BPFAction(asked.Default),
		BadArchAction: linux.BPFAction(asked.BadArch),
		Optimize:      true,
		HotSyscalls:   asked.Hot,
	})
	return program, err
}

func main() {
	var asked request
	var told struct {
		Program string
		Seconds []float64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil {
		panic(err)
	}
	for run := 0; run < asked.Runs; run++ {
		start := time.Now()
		program, err := build(asked)
		if err != nil {
			panic(err)
		}
		told.Seconds = append(told.Seconds, time.Since(start).Seconds())
		told.Program = hex.EncodeToString(bpf.ToBytecode(program))
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		panic(err)
	}
}
