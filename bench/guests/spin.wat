;; A loop of `n` rounds: what metering and slicing cost a guest that computes. Returns n × (n + 1) / 2 modulo 2^32.
(component
  (core module $m
    (func (export "spin") (param $n i32) (result i32)
      (local $sum i32)
      (loop $again
        (local.set $sum (i32.add (local.get $sum) (local.get $n)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $again (local.get $n)))
      local.get $sum))
  (core instance $i (instantiate $m))
  (func (export "spin") (param "n" s32) (result s32)
    (canon lift (core func $i "spin"))))
