;; Two tools that never end by themselves: one computes, one fills 64 MiB over and over.
(component
  (core module $m
    (memory 1024)
    (func (export "spin") (param i32) (result i32)
      (loop $again (br $again))
      unreachable)
    (func (export "fill") (param i32) (result i32)
      (loop $again
        (memory.fill (i32.const 0) (local.get 0) (i32.const 67108864))
        (br $again))
      unreachable))
  (core instance $i (instantiate $m))
  (func (export "spin") (param "n" s32) (result s32)
    (canon lift (core func $i "spin")))
  (func (export "fill") (param "n" s32) (result s32)
    (canon lift (core func $i "fill"))))
