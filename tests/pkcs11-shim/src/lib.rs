//! A PKCS#11 module that stands before another one and does as a test tells it: it passes every call on, counts it, and
//! where an order says so it answers with a return code of the test's choice, late, or not until it is released. With it
//! the daemon meets every fault a token can have, through the same plain path in its configuration as any module.
//!
//! Two variables of the environment: `PKCS11_SHIM_MODULE` is the module behind; `PKCS11_SHIM` is the folder of the test's
//! orders and of the account of calls (see [`desk`]). Without a folder it only passes on.

#![allow(non_snake_case, reason = "the standard names its functions")]
#![allow(clippy::wildcard_imports, reason = "the whole file is written in the standard's own words")]

mod desk;

use std::sync::OnceLock;

use cryptoki_sys::*;
use libloading::Library;

use desk::{Action, Desk};

/// The module behind and its table. It is never unloaded: modules leave threads and exit handlers behind.
struct Behind {
    _library: Library,
    functions: CK_FUNCTION_LIST,
}

static BEHIND: OnceLock<Option<Behind>> = OnceLock::new();
static DESK: OnceLock<Option<Desk>> = OnceLock::new();
static TABLE: OnceLock<Table> = OnceLock::new();

/// The table a caller gets a pointer to.
struct Table(CK_FUNCTION_LIST);

fn behind() -> Option<&'static Behind> {
    BEHIND.get_or_init(load).as_ref()
}

fn load() -> Option<Behind> {
    let path = std::env::var_os("PKCS11_SHIM_MODULE")?;
    // SAFETY: loading runs the module's initializers; a test names the module, and the product would run them as well.
    let library = unsafe { Library::new(path) }.ok()?;
    let mut table: *mut CK_FUNCTION_LIST = std::ptr::null_mut();
    // SAFETY: the standard gives the symbol this type.
    let ask = unsafe {
        library.get::<unsafe extern "C" fn(*mut *mut CK_FUNCTION_LIST) -> CK_RV>(b"C_GetFunctionList\0")
    };
    let ask = *ask.ok()?;
    // SAFETY: the pointer is to a live local; the module fills it.
    let answer = unsafe { ask(&raw mut table) };
    if answer != CKR_OK || table.is_null() {
        return None;
    }
    // SAFETY: it said CKR_OK, so the table is there, for as long as the library is loaded.
    let functions = unsafe { *table };
    Some(Behind { _library: library, functions })
}

/// Does what the test ordered for this call, else `forward`.
fn steer(function: &'static str, forward: impl FnOnce(&CK_FUNCTION_LIST) -> CK_RV) -> CK_RV {
    let Some(behind) = behind() else { return CKR_GENERAL_ERROR };
    let Some(desk) = DESK.get_or_init(Desk::open) else { return forward(&behind.functions) };
    let call = desk.begin(function);
    let answer = match desk.order(function) {
        None => forward(&behind.functions),
        Some(Action::Answer(code)) => code,
        Some(Action::Lose(code)) => {
            forward(&behind.functions);
            code
        }
        Some(Action::Sleep(how_long)) => {
            std::thread::sleep(how_long);
            forward(&behind.functions)
        }
        Some(Action::Hang(order)) => {
            desk.wait_for_release(&order);
            forward(&behind.functions)
        }
    };
    call.end(answer);
    answer
}

/// One function in the table for each: the same arguments, steered.
macro_rules! stand_before {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(
            unsafe extern "C" fn $name($($argument: $kind),*) -> CK_RV {
                steer(stringify!($name), |functions| match functions.$name {
                    // SAFETY: the arguments are the caller's own, passed on as they came.
                    Some(function) => unsafe { function($($argument),*) },
                    None => CKR_FUNCTION_NOT_SUPPORTED,
                })
            }
        )*

        fn table(mut functions: CK_FUNCTION_LIST) -> CK_FUNCTION_LIST {
            $(functions.$name = Some($name);)*
            functions.C_GetFunctionList = Some(C_GetFunctionList);
            functions.C_GenerateKey = Some(generate_key);
            functions
        }
    };
}

type Void = *mut std::ffi::c_void;
type Session = CK_SESSION_HANDLE;
type Object = CK_OBJECT_HANDLE;
type Objects = *mut CK_OBJECT_HANDLE;
type Mechanism = *mut CK_MECHANISM;
type Attributes = *mut CK_ATTRIBUTE;
type Bytes = *mut CK_BYTE;
type Length = CK_ULONG;
type Lengths = *mut CK_ULONG;

stand_before! {
    C_Initialize(arguments: Void);
    C_Finalize(reserved: Void);
    C_GetSlotList(with_token: CK_BBOOL, slots: *mut CK_SLOT_ID, count: Lengths);
    C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO);
    C_InitToken(slot: CK_SLOT_ID, pin: Bytes, length: Length, label: Bytes);
    C_InitPIN(session: Session, pin: Bytes, length: Length);
    C_OpenSession(slot: CK_SLOT_ID, flags: CK_FLAGS, application: Void, notify: CK_NOTIFY, session: *mut Session);
    C_CloseSession(session: Session);
    C_GetSessionInfo(session: Session, info: *mut CK_SESSION_INFO);
    C_Login(session: Session, user: CK_USER_TYPE, pin: Bytes, length: Length);
    C_CreateObject(session: Session, template: Attributes, count: Length, object: Objects);
    C_DestroyObject(session: Session, object: Object);
    C_GetAttributeValue(session: Session, object: Object, template: Attributes, count: Length);
    C_FindObjectsInit(session: Session, template: Attributes, count: Length);
    C_FindObjects(session: Session, objects: Objects, count_max: Length, count: Lengths);
    C_FindObjectsFinal(session: Session);
    C_EncryptInit(session: Session, mechanism: Mechanism, key: Object);
    C_Encrypt(session: Session, plain: Bytes, plain_length: Length, sealed: Bytes, sealed_length: Lengths);
    C_DecryptInit(session: Session, mechanism: Mechanism, key: Object);
    C_Decrypt(session: Session, sealed: Bytes, sealed_length: Length, plain: Bytes, plain_length: Lengths);
    C_SignInit(session: Session, mechanism: Mechanism, key: Object);
    C_Sign(session: Session, data: Bytes, data_length: Length, signature: Bytes, signature_length: Lengths);
    C_VerifyInit(session: Session, mechanism: Mechanism, key: Object);
    C_Verify(session: Session, data: Bytes, data_length: Length, signature: Bytes, signature_length: Length);
    C_GenerateKey(session: Session, mechanism: Mechanism, template: Attributes, count: Length, key: Objects);
    C_GenerateKeyPair(
        session: Session, mechanism: Mechanism,
        public_template: Attributes, public_count: Length,
        private_template: Attributes, private_count: Length,
        public: Objects, private: Objects
    );
}

/// Makes the known key a test asked for, with every attribute the caller wanted, or passes the call on.
///
/// # Safety
/// As for the function it stands before.
unsafe extern "C" fn generate_key(
    session: Session,
    mechanism: Mechanism,
    template: Attributes,
    count: Length,
    key: Objects,
) -> CK_RV {
    let wanted = DESK.get_or_init(Desk::open).as_ref().and_then(Desk::planted);
    let Some((number, count)) = wanted.zip(usize::try_from(count).ok()) else {
        // SAFETY: the arguments are the caller's own, passed on as they came.
        return unsafe { C_GenerateKey(session, mechanism, template, count, key) };
    };
    // SAFETY: the caller vouches for `count` attributes.
    let attributes = unsafe { std::slice::from_raw_parts(template, count) };
    let mut value = planted(number);
    let length = value.len() as Length;
    // A length beside a value is refused: it is the value's.
    let mut template: Vec<CK_ATTRIBUTE> =
        attributes.iter().filter(|attribute| attribute.type_ != CKA_VALUE_LEN).copied().collect();
    template
        .insert(0, CK_ATTRIBUTE { type_: CKA_VALUE, pValue: value.as_mut_ptr().cast(), ulValueLen: length });
    // SAFETY: the template and the value in it live until the call has come back.
    unsafe { C_CreateObject(session, template.as_mut_ptr(), template.len() as Length, key) }
}

/// A key that a test knows: its number, filled up to 32 bytes.
fn planted(number: u64) -> [u8; 32] {
    let mut key = [0x5a; 32];
    key[24..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The one symbol a PKCS#11 caller looks for (PKCS #11 2.40, §5.4).
///
/// # Safety
/// As the standard says: `list` points to where a pointer may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    if list.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    let Some(behind) = behind() else { return CKR_GENERAL_ERROR };
    let table = TABLE.get_or_init(|| Table(table(behind.functions)));
    // SAFETY: it is not null, and the caller vouches for it; nobody writes through the table's pointer.
    unsafe { *list = (&raw const table.0).cast_mut() };
    CKR_OK
}
