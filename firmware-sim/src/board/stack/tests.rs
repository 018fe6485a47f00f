use super::*;

/// `push {r4, lr}`
const PUSH: u16 = 0xb510;
/// `pop {r4, pc}`
const POP: u16 = 0xbd10;
/// `bx lr`
const BX_LR: u16 = 0x4770;
/// `nop`
const NOP: u16 = 0xbf00;

/// `bl` from one address to another.
fn call(from: i32, to: i32) -> [u16; 2] {
    let offset = (to - from - 4) >> 1;
    [0xf000 | (offset >> 11 & 0x7ff) as u16, 0xf800 | (offset & 0x7ff) as u16]
}

/// A program of functions of four instructions of 16 bits each.
fn bound(code: &[u16], names: &[&'static str]) -> Result<StackBound, StackError> {
    let code: Vec<u8> = code.iter().flat_map(|half| half.to_le_bytes()).collect();
    let functions: Vec<(u32, &'static str)> = (0..).step_by(8).zip(names.iter().copied()).collect();
    StackBound::of(&Program::of_code(Core::Thumb, &code, &functions), &[])
}

const NAMES: [&str; 3] = ["Reset", "SysTick", "deeper"];

#[test]
fn the_deepest_of_all_paths_is_found() {
    let [a, b] = call(2, 16);
    let sub_sp_16 = 0xb084;
    let add_sp_16 = 0xb004;
    let code = [PUSH, a, b, POP, BX_LR, NOP, NOP, NOP, PUSH, sub_sp_16, add_sp_16, POP];
    let bound = bound(&code, &NAMES).unwrap();
    assert_eq!((bound.program, bound.interrupt), (8 + 8 + 16, 36));
    assert_eq!(bound.path, [("Reset".to_owned(), 0), ("deeper".to_owned(), 8)]);
}

#[test]
fn recursion_is_found_and_said_by_name() {
    let ([a, b], [c, d]) = (call(2, 16), call(18, 16));
    let own = [PUSH, a, b, POP, BX_LR, NOP, NOP, NOP, PUSH, c, d, POP];
    let error = bound(&own, &NAMES).unwrap_err();
    assert_eq!(error.to_string(), "recursion: deeper calls deeper");
    let [c, d] = call(18, 0);
    let around = [PUSH, a, b, POP, BX_LR, NOP, NOP, NOP, PUSH, c, d, POP];
    let error = bound(&around, &NAMES).unwrap_err();
    assert_eq!(error.to_string(), "recursion: Reset calls deeper calls Reset");
}

#[test]
fn a_call_of_which_the_target_is_not_known_is_refused() {
    let blx_r3 = 0x4798;
    let code = [PUSH, blx_r3, NOP, POP, BX_LR, NOP, NOP, NOP];
    let error = bound(&code, &NAMES[..2]).unwrap_err();
    assert!(matches!(error, StackError::Unresolved { address: 2, .. }), "{error}");
}

#[test]
fn a_stack_pointer_that_is_set_or_left_elsewhere_is_refused() {
    let mov_sp_r7 = 0x46bd;
    let beq_over_one = 0xd000;
    for (code, at) in [
        ([PUSH, mov_sp_r7, NOP, POP, BX_LR, NOP, NOP, NOP], 2),
        // what is pushed stays there
        ([PUSH, BX_LR, NOP, NOP, BX_LR, NOP, NOP, NOP], 2),
        // more on one way than on the other
        ([PUSH, beq_over_one, PUSH, POP, BX_LR, NOP, NOP, NOP], 6),
    ] {
        let error = bound(&code, &NAMES[..2]).unwrap_err();
        let StackError::Pointer { address, .. } = error else { panic!("{error}") };
        assert_eq!(address, at);
    }
}

#[test]
fn a_loop_that_pushes_is_refused() {
    let back_to_start = 0xe7fd;
    let code = [PUSH, back_to_start, NOP, NOP, BX_LR, NOP, NOP, NOP];
    assert!(matches!(bound(&code, &NAMES[..2]), Err(StackError::Pointer { address: 0, .. })));
}
