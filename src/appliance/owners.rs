//! Whose a key id is. A row beside every key tells; nobody needs it to seal and open, and where it is damaged the objects themselves
//! are asked, so that what is to become of a key becomes of it.

use crate::domain::id::{ObjectId, ProjectId};
use crate::domain::object::Object;
use crate::store::{Row, Table};

use super::fault::Stop;
use super::listed::Listed;
use super::operational::Operational;

/// An object, and its project where its row can be read.
pub(super) type Owner = (ObjectId, Option<ProjectId>);

impl Operational {
    /// The object's id; none where the key id is nobody's.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn object_id_of_key(&self, key_id: u32) -> Result<Option<ObjectId>, Stop> {
        match self.key_id_row(key_id)? {
            Some(Listed::Sound(row)) => Ok(id_in(&row)),
            Some(Listed::Damaged(_)) => {
                Ok(self.search_object(key_id)?.and_then(Listed::sound).map(|object| object.id))
            }
            None => Ok(None),
        }
    }

    /// The object; none where the key id is nobody's, or the object is no more. Where it cannot be told for certain it is one that is
    /// damaged.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn object_of_key(&self, key_id: u32) -> Result<Option<Listed<Object>>, Stop> {
        match self.key_id_row(key_id)? {
            Some(Listed::Sound(row)) => match id_in(&row) {
                Some(id) => self.look_up::<Object>(Table::Objects, id.as_bytes()),
                None => Ok(None),
            },
            Some(Listed::Damaged(_)) => self.search_object(key_id),
            None => Ok(None),
        }
    }

    /// The object's id, and its project where the object's row can be read.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn owner(&self, key_id: u32) -> Result<Option<Owner>, Stop> {
        let Some(id) = self.object_id_of_key(key_id)? else { return Ok(None) };
        let object = self.look_up::<Object>(Table::Objects, id.as_bytes())?.and_then(Listed::sound);
        Ok(Some((id, object.map(|object| object.project))))
    }

    fn key_id_row(&self, key_id: u32) -> Result<Option<Listed<Row>>, Stop> {
        let row = self.store.get(Table::KeyIds, &key_id.to_be_bytes()).transpose();
        row.map(Listed::of).transpose()
    }

    /// By a look at every object.
    fn search_object(&self, key_id: u32) -> Result<Option<Listed<Object>>, Stop> {
        let mut found = None;
        self.each_listed(Table::Objects, &[], |_, row| {
            match row.decode::<Object>()? {
                Listed::Sound(object) if object.key_id == key_id => found = Some(Listed::Sound(object)),
                Listed::Sound(_) => {}
                damaged @ Listed::Damaged(_) => found = found.take().or(Some(damaged)),
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn id_in(row: &Row) -> Option<ObjectId> {
    <[u8; 16]>::try_from(row.value.as_slice()).ok().map(ObjectId::from_bytes)
}
