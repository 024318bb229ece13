;; A preview 2 command that could open files, and does nothing.
(component
  (import "wasi:filesystem/types@0.2.0" (instance (export "descriptor" (type (sub resource)))))
  (core module $m (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $exports (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exports)))
