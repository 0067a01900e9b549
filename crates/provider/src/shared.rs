use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Where values are held, by their types and keys.
type Places = HashMap<(TypeId, Box<[u8]>), Weak<dyn Any + Send + Sync>>;

/// Values that live as long as anyone uses them, by their types and keys. Clones share them.
///
/// Keys may be secrets; they are not shown.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Places>>);

impl Shared {
    /// Returns the value that others use, or makes one.
    pub(crate) fn get<T>(&self, key: &[u8], make: impl FnOnce() -> T) -> Arc<T>
    where
        T: Any + Send + Sync,
    {
        let key = (TypeId::of::<T>(), Box::from(key));
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let used = held.get(&key).and_then(Weak::upgrade);
        if let Some(Ok(value)) = used.map(Arc::downcast) {
            return value;
        }
        held.retain(|_, value| value.strong_count() > 0);
        let value = Arc::new(make());
        let weak: Weak<T> = Arc::downgrade(&value);
        held.insert(key, weak);
        value
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shared_by_key_and_type_while_they_are_used() {
        let shared = Shared::default();
        let one = shared.get(b"a", || 1_u8);
        assert!(Arc::ptr_eq(&one, &shared.clone().get(b"a", || 2)));
        assert_eq!(*shared.get(b"b", || 3_u8), 3);
        assert_eq!(*shared.get(b"a", || 4_u16), 4);
        drop(one);
        assert_eq!(*shared.get(b"a", || 5_u8), 5);
        assert_eq!(shared.0.lock().unwrap().len(), 1);
        assert_eq!(format!("{shared:?}"), "Shared { .. }");
    }
}
