;; A preview 2 command that sleeps for ever.
(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $p (eq $outer)))
    (type $nanoseconds u64)
    (export "duration" (type $duration (eq $nanoseconds)))
    (export "subscribe-duration" (func (param "when" $duration) (result (own $p))))))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core module $Main
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "host" "block" (func $block (param i32)))
    (func (export "run") (result i32)
      (loop $again
        (call $block (call $subscribe (i64.const 86_400_000_000_000)))
        (br $again))
      unreachable))
  (core instance $main (instantiate $Main
    (with "host" (instance (export "subscribe" (func $subscribe)) (export "block" (func $block))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $exported (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exported)))
