//! What the `runtime` command prints, exactly: each `tests/cmd/*.trycmd` is a session.

#[test]
fn sessions() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
