/// Tells tasks apart, or nil outside of any.
func currentTaskIdentity() -> Int? {
    unsafe withUnsafeCurrentTask { unsafe $0?.hashValue }
}
