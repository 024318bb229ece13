;; A command that sleeps for ever: poll_oneoff on a clock, a day at a time.
(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    ;; subscription: userdata u64, tag u8 (0 = clock) at 8, clock id u32 at 16 (1 = monotonic), timeout u64 at 24
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 86_400_000_000_000))
    (loop $again
      (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))
      (br $again))))
