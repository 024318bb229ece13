;; The tools that the client tests call: plain component exports, one for each way a call can end.
(component
  (core module $m
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (data (i32.const 64) "division by zero")

    ;; Only ever asked for fresh memory: arguments arrive once, and the instance ends with the call.
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
      (global.set $free (i32.add (local.get $at) (local.get $size)))
      (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
        (then
          (if (i32.eq (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1))) (i32.const -1))
            (then unreachable))))
      (local.get $at))

    (func (export "add") (param i32 i32) (result i32)
      (i32.add (local.get 0) (local.get 1)))

    ;; Where the result lies: {pointer, length} at 16.
    (func (export "echo") (param $text i32) (param $len i32) (result i32)
      (i32.store (i32.const 16) (local.get $text))
      (i32.store (i32.const 20) (local.get $len))
      (i32.const 16))

    ;; A result at 32: discriminant, then the quotient or {pointer, length} of the complaint.
    (func (export "divide") (param $a i32) (param $b i32) (result i32)
      (if (i32.eqz (local.get $b))
        (then
          (i32.store8 (i32.const 32) (i32.const 1))
          (i32.store (i32.const 36) (i32.const 64))
          (i32.store (i32.const 40) (i32.const 16)))
        (else
          (i32.store8 (i32.const 32) (i32.const 0))
          (i32.store (i32.const 36) (i32.div_s (local.get $a) (local.get $b)))))
      (i32.const 32))

    (func (export "count") (param $to i32) (result i32)
      (local $n i32)
      (loop $again
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (local.get $to))))
      (local.get $n))

    (func (export "spin") (loop $again (br $again)))
    (func (export "fail") unreachable))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $memory))
  (alias core export $i "realloc" (core func $realloc))
  (func (export "add") (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $i "add")))
  (func (export "echo") (param "text" string) (result string)
    (canon lift (core func $i "echo") (memory $memory) (realloc $realloc)))
  (func (export "divide") (param "a" s32) (param "b" s32) (result (result s32 (error string)))
    (canon lift (core func $i "divide") (memory $memory) (realloc $realloc)))
  (func (export "count") (param "to" u32) (result u32) (canon lift (core func $i "count")))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "fail") (canon lift (core func $i "fail"))))
